"""How an action looks at what it is about: with the rights of who asks, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from appliance.accounts.rules import User
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Request, ResourceRef
from appliance.ai_actions.rules.codes import NOT_PROCESSED_CONTENT
from appliance.ai_actions.rules.gateway.fitting import bounded
from appliance.resources.rules import Diff
from appliance.storage.engine import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a prompt is filled with; `notes` go in parts when they do not fit at once."""

    inputs: Mapping[str, object] = field(repr=False)
    notes: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Who asks for what, and the transaction to read it in."""

    session: Session
    user: User
    request: Request
    now: datetime

    @property
    def resource(self) -> ResourceRef:
        """What the request is about.

        Raises:
            ActionFailedError: nothing, where the action cannot do without.
        """
        if self.request.resource is None:
            raise ActionFailedError(NOT_PROCESSED_CONTENT)
        return self.request.resource

    def text(self, name: str) -> str | None:
        """A text that the user gave; None: none, or nothing but blanks."""
        value = self.request.inputs.get(name)
        return bounded(value) if isinstance(value, str) and value.strip() else None

    def given(self, *names: str) -> dict[str, object]:
        """Those of the texts that the user gave, under their own names."""
        return {name: text for name in names if (text := self.text(name)) is not None}

    def flag(self, name: str) -> bool | None:
        """What the user chose; None: nothing."""
        value: Any = self.request.inputs.get(name)
        return value if isinstance(value, bool) else None


class Gatherer(Protocol):
    """One action: what it reads, and what it tells its prompt."""

    def gather(self, look: Look) -> Told:
        """What the prompt is filled with.

        Raises:
            ActionFailedError: what it is about is not fit for it.
            NotFoundError: what it is about is not there any more, or not for this user.
        """


def as_text(diffs: Sequence[Diff]) -> str:
    """Changes as one unified diff, each under the names of its file.

    Raises:
        ActionFailedError: nothing is changed.
    """
    if not diffs:
        detail = "The merge request changes nothing."
        raise ActionFailedError(NOT_PROCESSED_CONTENT, {"detail": detail})
    return bounded("\n".join(_file(each) for each in diffs))


def _file(diff: Diff) -> str:
    old = "/dev/null" if diff.is_new else f"a/{diff.old_path}"
    new = "/dev/null" if diff.is_deleted else f"b/{diff.new_path}"
    return f"--- {old}\n+++ {new}\n{diff.diff}"
