"""Judges what a gateway answered, by what was true of the token when it was asked.

A token counts as revoked a second after the instance confirmed it, or a second after the gateway
was connected again if it was not: what is in between is not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

OK = 200
GRACE_S = 1.0

Verdict = Literal["good", "good_refused", "bad", "bad_accepted", "not_judged"]


@dataclass(slots=True, kw_only=True)
class Held:
    """A token and its fate; times are of one steady clock, in seconds.

    `doubted_at`: a revocation was begun; `revoked_at`: the instance confirmed it.
    """

    text: str = field(repr=False)
    kid: str = ""
    # Of the wall's clock, in seconds since the epoch.
    expires_at: int = 0
    is_forged: bool = False
    doubted_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One verification: when it was sent, when it was answered, and how."""

    sent_at: float
    answered_at: float
    status: int


@dataclass(slots=True)
class Gap:
    """The gateway did not hear from the instance; `until` None: not yet again."""

    since: float
    until: float | None = None


def judge(held: Held, asked: Asked, gaps: Sequence[Gap]) -> Verdict:
    """What the answer says about the gateway."""
    if held.is_forged:
        return "bad_accepted" if asked.status == OK else "bad"
    if held.doubted_at is None or asked.answered_at < held.doubted_at:
        return "good" if asked.status == OK else "good_refused"
    if held.revoked_at is None or asked.sent_at < held.revoked_at + GRACE_S:
        return "not_judged"
    if asked.status != OK:
        return "bad"
    return "not_judged" if _was_cut_off(asked.sent_at, gaps) else "bad_accepted"


def _was_cut_off(at: float, gaps: Sequence[Gap]) -> bool:
    return any(gap.since <= at and (gap.until is None or at < gap.until + GRACE_S) for gap in gaps)
