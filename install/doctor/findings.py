"""What one hop came to, and what all of them come to together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

State = Literal["ok", "warning", "failed", "skipped"]

WARNED = 1
FAULTY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One hop: what was found in a sentence, and as `fix` what to type or do; `hop` names it."""

    state: State
    found: str
    fix: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    hop: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def ok(found: str, **facts: Any) -> Finding:
    """It is as it should be."""
    return Finding(state="ok", found=found, facts=facts)


def warning(found: str, fix: str, **facts: Any) -> Finding:
    """It works, and somebody should know."""
    return Finding(state="warning", found=found, fix=fix, facts=facts)


def failed(found: str, fix: str, **facts: Any) -> Finding:
    """Nothing that goes this way can work."""
    return Finding(state="failed", found=found, fix=fix, facts=facts)


def skipped(found: str) -> Finding:
    """It could not be looked at."""
    return Finding(state="skipped", found=found)


def first_failed(findings: Sequence[Finding]) -> str | None:
    """The hop to mend first, as those behind it may only suffer from it."""
    return next((each.hop for each in findings if each.state == "failed"), None)


def exit_code(findings: Sequence[Finding]) -> int:
    """0 all well, 1 warnings or something that could not be looked at, 2 something failed."""
    states = {each.state for each in findings}
    if "failed" in states:
        return FAULTY
    return WARNED if states & {"warning", "skipped"} else 0


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """For scripts."""
    return {
        "ok": exit_code(findings) == 0,
        "exit_code": exit_code(findings),
        "first_failed": first_failed(findings),
        "hops": [each.as_dict() for each in findings],
    }
