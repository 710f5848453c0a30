"""Work that is done again and again, by one process of all that share a database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.storage.engine import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One unit of `work`, done at the start of a leader and then every so often.

    `work` is one transaction, which may be run again; what is overdue is done once, not
    several times.
    """

    name: str
    every: timedelta
    work: Callable[[Session, datetime], None]
