"""Which flags should be gone, and what is left of those that are."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from appliance.feature_flags.rules.definitions import Definition, parse_release

# How many minor releases a flag for development may see; the real product asks for two to three.
DEVELOPMENT_RELEASES = 3

StaleKind = Literal["unknown", "expired", "old"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A flag that should be gone; `owner` is empty where nothing defines it any more."""

    flag: str
    kind: StaleKind
    owner: str
    reason: str


def stale_flags(
    definitions: Mapping[str, Definition], set_flags: Collection[str], *, version: str
) -> list[Stale]:
    """By name; `set_flags` are those that something was set for, `version` is what runs."""
    unknown = [_unknown(name) for name in set(set_flags) - set(definitions)]
    found = [*unknown, *_outlived(definitions.values(), version)]
    return sorted(found, key=lambda each: each.flag)


def _unknown(name: str) -> Stale:
    reason = "It is set here, but this release has no such flag; reset it."
    return Stale(flag=name, kind="unknown", owner="", reason=reason)


def _outlived(definitions: Iterable[Definition], version: str) -> Iterable[Stale]:
    running = parse_release(version)
    if running is None:
        return
    for each in definitions:
        until, since = parse_release(each.until or ""), parse_release(each.since)
        if until is not None and running >= until:
            reason = f"It was to be gone by {each.until}."
            yield Stale(flag=each.name, kind="expired", owner=each.owner, reason=reason)
        elif each.kind == "development" and since is not None:
            last = (since[0], since[1] + DEVELOPMENT_RELEASES)
            if running[:2] > last:
                reason = (
                    f"It is for development since {each.since}, "
                    f"more than {DEVELOPMENT_RELEASES} releases ago."
                )
                yield Stale(flag=each.name, kind="old", owner=each.owner, reason=reason)
