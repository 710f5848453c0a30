"""Has the gateway try a model's endpoint, with the instance's own token."""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from uuid import uuid4

import msgspec
import structlog

from appliance.access_tokens.usecases import Minter
from appliance.forwarding import rules, usecases
from appliance.instance_settings.rules import Addresses
from appliance.outbound import Outbound, UnreachableError
from appliance.storage.engine import Db
from gateway.contract.probing import (
    CHECK_PATH,
    MAX_CHECKED_BYTES,
    WHOLE_CHECK_S,
    Finding,
    ModelCheck,
    ModelChecked,
)

Clock = Callable[[], datetime]

# A little longer than the gateway takes at most, so that it is the gateway that gives up.
PATIENCE_S = WHOLE_CHECK_S + 5.0

_checked = msgspec.json.Decoder(ModelChecked)
_log = structlog.get_logger()


class GatewayProbe:
    """Asks the gateway that the instance itself calls; what it cannot ask is a finding as well."""

    def __init__(
        self, db: Db, outbound: Outbound, *, minter: Minter, told: Addresses, clock: Clock
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._minter = minter
        self._told = told
        self._clock = clock

    async def __call__(self, wish: ModelCheck) -> Sequence[Finding]:
        """What the gateway found.

        Raises:
            NoSigningKeyError, ClockWentBackError: no token can be made.
        """
        jti, now = uuid4(), self._clock()
        way = await self._db.read(
            lambda session: usecases.own_way(
                session, jti=jti, minter=self._minter, told=self._told, now=now
            )
        )
        try:
            reply = await self._outbound.ask(
                way.gateway_url + CHECK_PATH,
                msgspec.json.encode(wish),
                limit_bytes=MAX_CHECKED_BYTES,
                authorization=f"Bearer {way.token}",
                patience_s=PATIENCE_S,
            )
        except UnreachableError as cause:
            _log.warning("gateway_not_reached", reason=cause.reason)
            return (rules.not_reached(way.gateway_url, cause.reason),)
        if reply.status != HTTPStatus.OK:
            return (rules.refused_by_gateway(way.gateway_url, reply.body),)
        try:
            return _checked.decode(reply.body).findings
        except (msgspec.DecodeError, UnicodeDecodeError):
            return (rules.not_a_gateway(way.gateway_url),)
