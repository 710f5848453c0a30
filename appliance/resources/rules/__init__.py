"""What projects and what lies in them are, and who may see and change it."""

from appliance.resources.rules.filters import (
    ItemFilter,
    ItemOrder,
    Times,
    check_asked,
)
from appliance.resources.rules.issues import Issue, IssueChange, StateEvent
from appliance.resources.rules.jobs import Job, JobChange, JobStatus
from appliance.resources.rules.merge_requests import (
    Diff,
    MergeRequest,
    MergeRequestChange,
    MergeRequestState,
)
from appliance.resources.rules.notes import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    DraftNote,
    Note,
    NoteableKind,
    NoteOrder,
    Volume,
)
from appliance.resources.rules.places import Place, Sight
from appliance.resources.rules.projects import (
    CHANGES,
    MAKES,
    REMOVES,
    Description,
    NewProject,
    Project,
    ProjectFilter,
    complete,
    path_of,
)
from appliance.resources.rules.texts import LabelChange, parse_labels
from appliance.resources.rules.vulnerabilities import (
    Identifier,
    Location,
    ReportType,
    Severity,
    Vulnerability,
    VulnerabilityChange,
    VulnerabilityState,
)

__all__ = [
    "CHANGES",
    "MAKES",
    "NEWEST_FIRST",
    "OLDEST_FIRST",
    "REMOVES",
    "Description",
    "Diff",
    "DraftNote",
    "Identifier",
    "Issue",
    "IssueChange",
    "ItemFilter",
    "ItemOrder",
    "Job",
    "JobChange",
    "JobStatus",
    "LabelChange",
    "Location",
    "MergeRequest",
    "MergeRequestChange",
    "MergeRequestState",
    "NewProject",
    "Note",
    "NoteOrder",
    "NoteableKind",
    "Place",
    "Project",
    "ProjectFilter",
    "ReportType",
    "Severity",
    "Sight",
    "StateEvent",
    "Times",
    "Volume",
    "Vulnerability",
    "VulnerabilityChange",
    "VulnerabilityState",
    "check_asked",
    "complete",
    "parse_labels",
    "path_of",
]
