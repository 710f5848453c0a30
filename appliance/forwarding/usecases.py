"""Judges who asks, and makes the token that one request is handed on with."""

from datetime import datetime
from uuid import UUID

from appliance.access_tokens.errors import AccessTokenSupersededError
from appliance.access_tokens.rules import FORWARDED_LIFETIME, Purpose
from appliance.access_tokens.usecases import Minter, Recognised, namespace_of_token
from appliance.errors import NotFoundError
from appliance.forwarding.rules import Incoming, Onward, OwnWay
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import addresses, settings_now
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session


def prepare(
    session: Session, incoming: Incoming, *, minter: Minter, told: Addresses, now: datetime
) -> Onward:
    """What the request is handed on with: never more than its token says, or the user has now.

    Raises:
        AccessTokenInvalidError, AccessTokenSupersededError: the token is not good.
        NoSigningKeyError: there is no key to sign with.
    """
    recognised = minter.recognise(session, incoming.token, now=now)
    purpose = Purpose(
        jti=incoming.jti,
        use="forwarded",
        lifetime=FORWARDED_LIFETIME,
        within=recognised.claims,
        client_ip=incoming.client_ip,
    )
    namespace = _namespace(session, recognised, now=now)
    token = minter.mint(session, recognised.caller, purpose, namespace=namespace, now=now)
    settings = settings_now(session, told)
    return Onward(
        gateway_url=settings.addresses.ai_gateway_url,
        token=token.text,
        silence_s=settings.ai_gateway_timeout_s,
    )


def own_way(
    session: Session, *, jti: UUID, minter: Minter, told: Addresses, now: datetime
) -> OwnWay:
    """How the instance calls the gateway for itself now; `jti` is for a token, if one is due.

    Raises:
        NoSigningKeyError, ClockWentBackError: no token can be made.
    """
    token = minter.mint_instance_token(session, jti=jti, now=now)
    return OwnWay(gateway_url=addresses(session, told).ai_gateway_url, token=token)


def _namespace(session: Session, recognised: Recognised, *, now: datetime) -> Namespace | None:
    if recognised.claims.ns is None:
        return None
    user = recognised.caller.user
    try:
        return namespace_of_token(session, user, recognised.claims.ns, now=now)
    except NotFoundError as cause:
        raise AccessTokenSupersededError(reason="not in that group any more") from cause
