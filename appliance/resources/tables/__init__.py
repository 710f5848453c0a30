"""The rows of what an action reads."""

from appliance.resources.tables import (
    issues,
    jobs,
    merge_requests,
    notes,
    projects,
    vulnerabilities,
)

__all__ = ["issues", "jobs", "merge_requests", "notes", "projects", "vulnerabilities"]
