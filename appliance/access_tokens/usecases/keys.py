"""Makes signing keys, and publishes what tokens are verified with."""

from collections.abc import Sequence
from datetime import datetime

from appliance.access_tokens import rules, tables
from appliance.access_tokens.rules import PublicKey
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.sealing import Sealer

TOPIC = "signing_key"


def published_keys(session: Session) -> Sequence[PublicKey]:
    """The keys that a verifier must know: also those that sign soon, or signed until lately."""
    return tables.public_keys(session)


def ensure_signing_key(session: Session, sealer: Sealer, *, now: datetime) -> bool:
    """Gives a new instance its first signing key; tells whether it did."""
    if tables.current_key(session) is not None:
        return False
    key = rules.generate_key()
    public = rules.public_half(key)
    sealed = sealer.seal(rules.private_bytes(key), tables.place_of(public.kid))
    tables.add_key(session, public, sealed, state="current", now=now)
    publish(session, TOPIC, {"kid": public.kid, "change": "created"}, now=now)
    return True
