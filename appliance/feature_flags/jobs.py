"""What is said of feature flags when the instance starts."""

import structlog

from appliance.feature_flags import usecases
from appliance.storage.engine import Session

log = structlog.get_logger()


def warn_of_stale_flags(session: Session, *, version: str) -> None:
    """Logs the flags that should be gone from this release; says nothing when there are none."""
    found = usecases.list_stale(session, version=version)
    if found:
        log.warning("feature_flags_stale", flags={each.flag: each.reason for each in found})
