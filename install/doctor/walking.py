"""Goes from hop to hop: behind one that fails its branch ends, and the others go on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from install.doctor.box import Box
from install.doctor.findings import Finding, failed, skipped
from install.errors import InstallError, SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop: `needs` are hops that must not have failed, `fix` helps when it cannot be looked at.

    `about` is what it asks, for people.
    """

    name: str
    about: str
    look: Callable[[Box], Finding]
    fix: str
    needs: tuple[str, ...] = ()


def walk(
    hops: Sequence[Hop],
    box: Box,
    *,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
) -> list[Finding]:
    """Looks at each, in order; `on_finding` hears of each as it comes."""
    findings: dict[str, Finding] = {}
    for hop in hops:
        found = replace(_look(hop, box, findings), hop=hop.name)
        findings[hop.name] = found
        on_finding(found)
    return list(findings.values())


def _look(hop: Hop, box: Box, before: dict[str, Finding]) -> Finding:
    for name in hop.needs:
        if name in before and before[name].state in {"failed", "skipped"}:
            return skipped(f"waits for {name}")
    try:
        return hop.look(box)
    except InstallError as error:
        return failed(error.sentence, hop.fix, code=error.code)
    except OSError as error:
        return failed(f"It cannot be looked at: {error}", hop.fix, code="unreadable")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Who answers may be another program, and a file may hold anything.
        said = f"What was found cannot be understood ({type(error).__name__}: {error})."
        return failed(said, hop.fix, code="unreadable")


def only(hops: Sequence[Hop], names: Collection[str]) -> tuple[Hop, ...]:
    """The hops of these names with all that they need, in order; all when none is named.

    Raises:
        SettingError: there is no hop of a name.
    """
    known = {hop.name: hop for hop in hops}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        sentence = f"There is no hop {', '.join(unknown)}; there are {', '.join(known)}."
        raise SettingError(sentence)
    wanted: set[str] = set()
    waiting = list(names) or list(known)
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].needs
    return tuple(hop for hop in hops if hop.name in wanted)
