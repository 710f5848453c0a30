"""Gives refusals ids that an administrator can look up: the same one within a minute."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.contract.events import Decision
from gateway.contract.ulids import make_ulid

WINDOW_S = 60.0
MAX_KEPT = 4096
# Further ones share an id that says less: what a client may name has no end, our disk has.
MAX_OF_ONE_CALLER = 20
MAX_TEXT_CHARS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Who was refused what; equal ones are the same refusal.

    `namespace_id` is the group that was asked for, `model` one that there is, `address` where the
    request came from, if that was the reason.
    """

    issuer: str
    subject: str
    code: str
    unit_primitive: str
    namespace_id: int | None = None
    provider: str | None = None
    model: str | None = None
    address: str | None = None


class DecisionBook:
    """Remembers the refusals of the last minute; `random` gives that many random bytes."""

    def __init__(self, random: Callable[[int], bytes], *, max_kept: int = MAX_KEPT) -> None:
        self._random = random
        self._max_kept = max_kept
        self._kept: OrderedDict[Refusal, Decision] = OrderedDict()
        self._callers: Counter[tuple[str, str]] = Counter()

    def enter(self, refusal: Refusal, *, now: float) -> tuple[Decision, bool]:
        """Its decision, and whether that is new; `now` is in seconds since the epoch."""
        self._forget(now)
        known = self._kept.get(refusal)
        caller = refusal.issuer, refusal.subject
        if known is None and self._callers[caller] >= MAX_OF_ONE_CALLER:
            refusal = Refusal(
                issuer=refusal.issuer, subject=refusal.subject, code=refusal.code, unit_primitive=""
            )
            known = self._kept.get(refusal)
        if known is not None:
            return known, False
        decision = self._decision(refusal, now)
        self._kept[refusal] = decision
        self._callers[caller] += 1
        return decision, True

    def _decision(self, refusal: Refusal, now: float) -> Decision:
        return Decision(
            decision_id=make_ulid(now, self._random),
            happened_at=now,
            issuer=refusal.issuer,
            subject=refusal.subject,
            code=refusal.code,
            unit_primitive=_plain(refusal.unit_primitive),
            namespace_id=refusal.namespace_id,
            provider=refusal.provider,
            model=refusal.model,
            address=refusal.address,
        )

    def _forget(self, now: float) -> None:
        while self._kept:
            refusal, decision = next(iter(self._kept.items()))
            # A clock that was set back must not keep an id for as long as it was set back.
            is_recent = abs(now - decision.happened_at) < WINDOW_S
            if is_recent and len(self._kept) < self._max_kept:
                return
            del self._kept[refusal]
            caller = refusal.issuer, refusal.subject
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_TEXT_CHARS])
