"""The instance's settings over REST, and how a change is checked before it is saved."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import anyio.to_thread
import msgspec
from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.audit.rules import Actor
from appliance.instance_settings import rules, usecases
from appliance.instance_settings.errors import (
    GatewayNotReachedError,
    GatewayNotRegisteredError,
    NotAGatewayError,
)
from appliance.instance_settings.rules import Addresses, InstanceSettings, Name
from appliance.outbound import Outbound, UnreachableError
from appliance.storage.engine import Db, Session
from gateway.contract.challenge import CHALLENGE_PATH, Challenge, ChallengeAnswer

PATH = "/api/v4/ai/settings"
NONCE_BYTES = 24
MAX_ANSWER_BYTES = 4096

# Whether a registered gateway gave that answer; gateways are known above this room.
IsAnswered = Callable[[Session, ChallengeAnswer, Challenge], bool]
CheckAddress = Callable[[Name, str], object]
CheckGateway = Callable[[str], Awaitable[None]]
Clock = Callable[[], datetime]


class GatewayCheck:
    """Asks who is at an address; only a registered gateway can answer."""

    def __init__(
        self, db: Db, outbound: Outbound, *, instance_id: str, is_answered: IsAnswered
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._instance_id = instance_id
        self._is_answered = is_answered

    async def __call__(self, url: str) -> None:
        """Passes when one does.

        Raises:
            GatewayNotReachedError, NotAGatewayError, GatewayNotRegisteredError: what was wrong.
        """
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        challenge = Challenge(instance_id=self._instance_id, nonce=nonce)
        body = msgspec.json.encode(challenge)
        try:
            reply = await self._outbound.ask(
                url + CHALLENGE_PATH, body, limit_bytes=MAX_ANSWER_BYTES
            )
        except UnreachableError as cause:
            raise GatewayNotReachedError(cause.reason) from cause
        if reply.status != HTTPStatus.OK:
            raise NotAGatewayError
        try:
            answer = msgspec.json.decode(reply.body, type=ChallengeAnswer)
        except (msgspec.DecodeError, UnicodeDecodeError) as cause:
            raise NotAGatewayError from cause
        if not await self._db.read(lambda session: self._is_answered(session, answer, challenge)):
            raise GatewayNotRegisteredError


class Desk:
    """Where settings are read and changed, whichever way a change comes in.

    `check_address` blocks while a host is resolved.
    """

    def __init__(
        self,
        db: Db,
        told: Addresses,
        *,
        check_address: CheckAddress,
        check_gateway: CheckGateway,
        clock: Clock,
    ) -> None:
        self._db = db
        self._told = told
        self._check_address = check_address
        self._check_gateway = check_gateway
        self._clock = clock

    def read(self, session: Session) -> InstanceSettings:
        """All settings as they are now."""
        return usecases.settings_now(session, self._told)

    async def change(
        self, changes: Mapping[str, str | int | None], *, actor: Actor
    ) -> InstanceSettings:
        """Sets what is named, all or nothing; None takes a setting back.

        Raises:
            InvalidFieldsError: something cannot be used; a gateway's address also when no
                registered gateway answers there.
        """
        wanted = rules.checked_changes(changes)
        for name, value in wanted.items():
            if name in rules.NUMBERS or value is None:
                continue
            # Resolving may take seconds, so it is done before a transaction.
            await anyio.to_thread.run_sync(self._check_address, name, value)
            if name == "ai_gateway_url":
                await self._check_gateway(value)
        return await self._db.write(
            lambda session: usecases.change_settings(
                session, wanted, self._told, actor=actor, now=self._clock()
            )
        )


class SettingsBody(BaseModel):
    """Settings as a client wants them; null takes one back, what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    instance_public_url: StrictStr | None = None
    gateway_public_url: StrictStr | None = None
    ai_gateway_url: StrictStr | None = None
    ai_gateway_timeout_seconds: StrictInt | None = None
    ai_action_api_rate_limit: StrictInt | None = None


@get(PATH, opt={"access": Access.ADMIN})
async def get_settings(*, db: NamedDependency[Db], desk: NamedDependency[Desk]) -> dict[str, Any]:
    """What holds now."""
    return _show(await db.read(desk.read))


@put(PATH, opt={"access": Access.ADMIN})
async def change_settings(
    *,
    data: JSONBody[SettingsBody],
    caller: NamedDependency[Caller],
    desk: NamedDependency[Desk],
) -> dict[str, Any]:
    """Changes what the body names; a new address of the gateway is tried first."""
    changes = data.model_dump(include=data.model_fields_set)
    return _show(await desk.change(changes, actor=caller.actor))


def _show(settings: InstanceSettings) -> dict[str, Any]:
    addresses = settings.addresses
    return {
        "instance_public_url": addresses.instance_public_url,
        "gateway_public_url": addresses.gateway_public_url,
        "ai_gateway_url": addresses.ai_gateway_url,
        "ai_gateway_timeout_seconds": settings.ai_gateway_timeout_s,
        "ai_action_api_rate_limit": settings.limits.requests_per_8h,
        "set_here": sorted(settings.set_here),
        "updated_at": settings.updated_at.isoformat() if settings.updated_at else None,
    }


handlers = (get_settings, change_settings)
