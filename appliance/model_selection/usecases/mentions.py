"""Where a model is named, and what becomes of that when it goes or gets another ref."""

from datetime import datetime

from appliance.audit.rules import Actor
from appliance.model_selection.rules import Uses
from appliance.storage.engine import Session


def uses_of(session: Session, ref: str) -> Uses:
    """Where the model is named: as a default, as allowed, as a group's choice."""
    raise NotImplementedError


def release(session: Session, ref: str, *, actor: Actor, now: datetime) -> None:
    """Resets what names the model: settings and choices fall back, lists lose it."""
    raise NotImplementedError


def rename(session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
    """Lets everything that names the model follow it to its new ref."""
    raise NotImplementedError
