"""What a personal access token opens at the gateway (RFC 7662)."""

from datetime import datetime, time, timedelta
from uuid import UUID

import msgspec

from appliance.access_tokens.usecases import Minter, namespace_of_token
from appliance.accounts.errors import UnauthorizedError, UserBlockedError
from appliance.accounts.rules import PersonalAccessToken, Scope
from appliance.accounts.usecases import authenticate, note_use
from appliance.errors import NotFoundError
from appliance.storage.engine import Session
from gateway.contract.claims import Claims
from gateway.contract.introspection import INTROSPECTED_FOR_S, is_well_formed_pat

# A token that opens anything else as well stays out: a gateway that was broken into would have it.
GOOD_AT_GATEWAY = frozenset({Scope.AI_FEATURES})


def introspect(
    session: Session,
    pat: str,
    *,
    namespace_id: int | None,
    minter: Minter,
    jti: UUID,
    now: datetime,
) -> Claims | None:
    """What an access token for that group would say, good for half a minute; None: nothing.

    In a write: that the token is in use is noted now and then.
    """
    if not is_well_formed_pat(pat):
        return None
    try:
        caller = authenticate(session, pat, now=now)
        if caller.credential.scopes != GOOD_AT_GATEWAY:
            return None
        namespace = namespace_of_token(session, caller.user, namespace_id, now=now)
    except (UnauthorizedError, UserBlockedError, NotFoundError):
        return None
    if caller.credential.use_is_worth_noting(at=now):
        note_use(session, caller.credential, now=now)
    claims = minter.claims_of(session, caller, namespace=namespace, jti=jti, now=now)
    ends_at = min(now + timedelta(seconds=INTROSPECTED_FOR_S), _end_of(caller.credential, now))
    return msgspec.structs.replace(claims, exp=min(claims.exp, int(ends_at.timestamp())))


def _end_of(credential: PersonalAccessToken, now: datetime) -> datetime:
    return datetime.combine(credential.expires_on, time.min, tzinfo=now.tzinfo)
