"""The rows of what an action reads."""

from appliance.resources.tables import (
    draft_notes,
    issues,
    items,
    jobs,
    merge_requests,
    notes,
    projects,
    vulnerabilities,
)

__all__ = [
    "draft_notes",
    "issues",
    "items",
    "jobs",
    "merge_requests",
    "notes",
    "projects",
    "vulnerabilities",
]
