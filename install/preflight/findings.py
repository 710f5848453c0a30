"""What a look at a machine comes to: for each thing what was found, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; a problem stops an installation, a warning is only told."""

    name: str
    found: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """`ok`, `warning` or `problem`."""
        return "problem" if self.problems else "warning" if self.warnings else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, in the order in which they are told."""

    findings: Sequence[Finding]

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each thing that must be otherwise first."""
        return tuple(dict.fromkeys(text for each in self.findings for text in each.problems))

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that will do, but not well."""
        return tuple(dict.fromkeys(text for each in self.findings for text in each.warnings))

    @property
    def facts(self) -> dict[str, str]:
        """What was found, by what was looked at."""
        return {each.name: each.found for each in self.findings}

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "fit": not self.problems,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "checks": [
                {"name": each.name, "state": each.state, "found": each.found}
                for each in self.findings
            ],
        }
