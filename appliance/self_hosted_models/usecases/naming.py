"""Who else names models by their refs: known above this room, and asked before a ref goes."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol, runtime_checkable

from appliance.audit.rules import Actor
from appliance.storage.engine import Session


class Uses(Protocol):
    """Where a model is named: by the instance for features, and by how many groups."""

    @property
    def features(self) -> Collection[str]:
        """Their names."""

    @property
    def groups(self) -> int:
        """How many groups chose it or narrow to it."""


# The edge makes sure of what it is given.
@runtime_checkable
class ModelNames(Protocol):
    """Everything that names models; a change of a model joins its transaction."""

    def has_ref(self, session: Session, ref: str) -> bool:
        """Whether a model that is not registered here has the ref, but for case and separators."""

    def uses_of(self, session: Session, ref: str) -> Uses:
        """Where the model is named."""

    def release(self, session: Session, ref: str, *, actor: Actor, now: datetime) -> None:
        """Resets what names the model."""

    def rename(self, session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
        """Lets what names the model follow it."""

    def watch(
        self, session: Session, *, cause: str, actor: Actor, now: datetime
    ) -> AbstractContextManager[None]:
        """Tells the audit which choices stop counting by what happens inside."""


class _Unused:
    features = ()
    groups = 0


class _NoNames:
    """Nothing but the registrations themselves."""

    def has_ref(self, session: Session, ref: str) -> bool:
        del session, ref
        return False

    def uses_of(self, session: Session, ref: str) -> Uses:
        del session, ref
        return _Unused()

    def release(self, session: Session, ref: str, *, actor: Actor, now: datetime) -> None:
        pass

    def rename(self, session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
        pass

    def watch(
        self, session: Session, *, cause: str, actor: Actor, now: datetime
    ) -> AbstractContextManager[None]:
        del session, cause, actor, now
        return nullcontext()


NO_NAMES: ModelNames = _NoNames()
