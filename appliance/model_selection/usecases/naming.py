"""What registered models must know of everything that names models."""

from contextlib import AbstractContextManager
from datetime import datetime

from appliance.audit.rules import Actor
from appliance.model_selection import tables
from appliance.model_selection.rules import Uses
from appliance.model_selection.usecases import mentions, suspensions
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


class ModelNaming:
    """Settings, choices, and the models that a gateway brings, which share the space of refs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def has_ref(self, session: Session, ref: str) -> bool:
        """Whether a gateway brings a model of that ref, but for case and separators."""
        return tables.offers.has_ref(session, ref)

    def uses_of(self, session: Session, ref: str) -> Uses:
        """Where the model is named."""
        return mentions.uses_of(session, ref)

    def release(self, session: Session, ref: str, *, actor: Actor, now: datetime) -> None:
        """Resets what names the model."""
        mentions.release(session, ref, actor=actor, now=now)

    def rename(self, session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
        """Lets what names the model follow it."""
        mentions.rename(session, old_ref, new_ref, now=now)

    def watch(
        self, session: Session, *, cause: str, actor: Actor, now: datetime
    ) -> AbstractContextManager[None]:
        """Tells the audit which choices stop counting by what happens inside."""
        return suspensions.watch(session, self._catalog, cause=cause, actor=actor, now=now)
