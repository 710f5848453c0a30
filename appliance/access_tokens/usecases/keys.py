"""Makes signing keys, lets them follow one another, and publishes what tokens are verified with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.access_tokens import rules, tables
from appliance.access_tokens.rules import Held, PublicKey, SigningKey, Step, Timing
from appliance.audit.rules import SYSTEM, Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.sealing import Sealer

TOPIC = "signing_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshKey:
    """A signing key on its way into the database, its private half sealed."""

    public: PublicKey
    sealed: bytes

    def __repr__(self) -> str:
        return f"FreshKey(kid={self.public.kid!r})"


def make_key(sealer: Sealer) -> FreshKey:
    """Takes up to a second, so never on an event loop or in a transaction."""
    key = rules.generate_key()
    public = rules.public_half(key)
    sealed = sealer.seal(rules.private_bytes(key), tables.place_of(public.kid))
    return FreshKey(public=public, sealed=sealed)


def published_keys(session: Session) -> Sequence[PublicKey]:
    """The keys that a verifier must know: also those that sign soon, or signed until lately."""
    return tables.public_keys(session)


def signing_keys(session: Session) -> Sequence[SigningKey]:
    """All keys that are not gone, the dead ones as well, oldest first."""
    return tables.signing_keys(session)


def ensure_signing_key(session: Session, sealer: Sealer, *, now: datetime) -> bool:
    """Gives a new instance its first signing key; tells whether it did."""
    if tables.current_key(session) is not None:
        return False
    fresh = make_key(sealer)
    tables.add_key(session, fresh.public, fresh.sealed, state="current", now=now)
    _publish(session, fresh.public.kid, "created", now=now)
    return True


def rotate(session: Session, fresh: FreshKey, *, actor: Actor, now: datetime) -> bool:
    """Begins a rotation with a fresh key; False when one is under way, which goes on."""
    if rules.in_state(tables.signing_keys(session), "next") is not None:
        return False
    _add_next(session, fresh, actor=actor, now=now)
    return True


def kill_key(
    session: Session, kid: str | None, fresh: FreshKey, *, actor: Actor, now: datetime
) -> str:
    """Ends a compromised key, with all that it signed; returns its `kid`.

    None: the current one. What takes its place does so at once: the next key, which gateways may
    have already, else the fresh one.

    Raises:
        NotFoundError: no such key.
    """
    keys = tables.signing_keys(session)
    key = _named(keys, kid)
    if key.state == "dead":
        return key.kid
    tables.end_signing(session, key.kid, state="dead", now=now)
    _publish(session, key.kid, "dead", now=now)
    _record(session, "signing_key_killed", key.kid, actor=actor, was=key.state, now=now)
    waiting = rules.in_state(keys, "next")
    if key.state == "next":
        _add_next(session, fresh, actor=actor, now=now)
    elif key.state == "current" and waiting is not None:
        _begin_signing(session, waiting.kid, actor=actor, now=now)
    elif key.state == "current":
        _add_next(session, fresh, actor=actor, now=now)
        _begin_signing(session, fresh.public.kid, actor=actor, now=now)
    return key.kid


def due_step(session: Session, held: Held, *, timing: Timing, now: datetime) -> Step | None:
    """What `step_rotation` would do now."""
    return rules.next_step(tables.signing_keys(session), held, timing=timing, now=now)


def step_rotation(
    session: Session, fresh: FreshKey | None, *, held: Held, timing: Timing, now: datetime
) -> None:
    """Does the one thing that is due; a key is only created where a fresh one was brought."""
    keys = tables.signing_keys(session)
    step = rules.next_step(keys, held, timing=timing, now=now)
    if step is None:
        return
    match step.action:
        case "create":
            if fresh is not None:
                _add_next(session, fresh, actor=SYSTEM, now=now)
        case "promote":
            retired = _named(keys, None)
            tables.end_signing(session, retired.kid, state="retired", now=now)
            _publish(session, retired.kid, "retired", now=now)
            _begin_signing(session, step.kid, actor=SYSTEM, now=now)
        case "remove":
            tables.remove_key(session, step.kid)
            _publish(session, step.kid, "gone", now=now)
            _record(session, "signing_key_removed", step.kid, actor=SYSTEM, now=now)


def forgive_clock(session: Session, *, now: datetime) -> None:
    """After a clock that ran ahead was set right: no key's times lie after `now`."""
    tables.not_after(session, now)


def _named(keys: Sequence[SigningKey], kid: str | None) -> SigningKey:
    for key in keys:
        if key.kid == kid or (kid is None and key.state == "current"):
            return key
    raise NotFoundError(what="Signing key")


def _add_next(session: Session, fresh: FreshKey, *, actor: Actor, now: datetime) -> None:
    kid = fresh.public.kid
    tables.add_key(session, fresh.public, fresh.sealed, state="next", now=now)
    _publish(session, kid, "created", now=now)
    _record(session, "signing_key_created", kid, actor=actor, now=now)


def _begin_signing(session: Session, kid: str, *, actor: Actor, now: datetime) -> None:
    tables.begin_signing(session, kid, now=now)
    _publish(session, kid, "promoted", now=now)
    _record(session, "signing_key_promoted", kid, actor=actor, now=now)


def _publish(session: Session, kid: str, change: str, *, now: datetime) -> None:
    publish(session, TOPIC, {"kid": kid, "change": change}, now=now)


def _record(
    session: Session, action: str, kid: str, *, actor: Actor, was: str | None = None, now: datetime
) -> None:
    details = {} if was is None else {"was": was}
    target = Target(kind="signing_key", id=kid)
    record(session, action, actor=actor, target=target, details=details, now=now)
