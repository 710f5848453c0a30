"""Projects, and what lies in them, over REST under GitLab's names."""

from appliance.resources.rest import (
    draft_notes,
    issues,
    jobs,
    merge_requests,
    notes,
    projects,
    vulnerabilities,
)

handlers = (
    *projects.handlers,
    *issues.handlers,
    *merge_requests.handlers,
    *notes.handlers,
    *draft_notes.handlers,
    *jobs.handlers,
    *vulnerabilities.handlers,
)

__all__ = ["handlers"]
