"""How signing keys follow one another: next, current, retired, gone; and dead beside it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from appliance.access_tokens.rules.keys import KeyState
from gateway.contract.claims import LEEWAY_S, LONGEST_LIFE_S

# For so long something that a key signed may still be taken.
OUTLIVES = timedelta(seconds=LONGEST_LIFE_S + LEEWAY_S)
PUBLISHED: frozenset[KeyState] = frozenset({"next", "current", "retired"})

Action = Literal["create", "promote", "remove"]
# The names of gateways, and the signing keys that each says it can verify with.
Held = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A signing key without its halves; it signed from `signs_since` until `ended_at`."""

    kid: str
    state: KeyState
    created_at: datetime
    signs_since: datetime | None = None
    ended_at: datetime | None = None

    @property
    def gone_at(self) -> datetime | None:
        """When nothing that it signed can live any more; None while it has not ended."""
        return None if self.ended_at is None else self.ended_at + OUTLIVES


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a key signs, and how long the published key set may be kept before it is asked."""

    life: timedelta
    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a next key waits for: a moment, gateways that lack it, or nothing any more."""

    until: datetime | None
    gateways: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether the key may sign."""
        return self.until is None and not self.gateways


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is due; `kid` is the key's, empty for one that is still to be made."""

    action: Action
    kid: str = ""


def in_state(keys: Sequence[SigningKey], state: KeyState) -> SigningKey | None:
    """The first key in that state."""
    return next((key for key in keys if key.state == state), None)


def holders(kid: str, held: Held) -> tuple[str, ...]:
    """The gateways that say they can verify with a key."""
    return tuple(sorted(name for name, kids in held.items() if kid in kids))


def wait_of(key: SigningKey, held: Held, *, timing: Timing, now: datetime) -> Wait:
    """What stands between a next key and its first signature.

    A gateway that names no key at all is not waited for: it is of a release that does not tell, or
    has just begun, and asks for a key that it meets and does not know.
    """
    ready_at = key.created_at + timing.max_age
    lacking = sorted(name for name, kids in held.items() if kids and key.kid not in kids)
    return Wait(until=ready_at if now < ready_at else None, gateways=tuple(lacking))


def next_step(
    keys: Sequence[SigningKey], held: Held, *, timing: Timing, now: datetime
) -> Step | None:
    """The one thing that is due now; a next key is a rotation under way.

    Nothing before the instance has its first key, which is not made here.
    """
    current = in_state(keys, "current")
    if current is None or current.signs_since is None:
        return None
    for key in keys:
        if key.gone_at is not None and now >= key.gone_at:
            return Step(action="remove", kid=key.kid)
    waiting = in_state(keys, "next")
    if waiting is None:
        # So early that the key signs in time, if no gateway lacks it.
        due_at = current.signs_since + max(timing.life - timing.max_age, timedelta())
        return Step(action="create") if now >= due_at else None
    if wait_of(waiting, held, timing=timing, now=now).is_over:
        return Step(action="promote", kid=waiting.kid)
    return None
