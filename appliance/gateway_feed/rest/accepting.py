"""Lets a request in that a registered gateway makes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import Request

from appliance.gateway_feed import rules, usecases
from appliance.gateway_feed.errors import ClockRefusedError
from appliance.storage.engine import Db
from appliance.storage.identity import Identity

Clock = Callable[[], datetime]


async def accept(
    request: Request[Any, Any, Any], db: Db, identity: Identity, *, now: datetime
) -> rules.AcceptedAssertion:
    """The request's assertion, verified; `usecases.use_assertion` must follow, in a write.

    Raises:
        AssertionRefusedError: not a registered gateway that speaks now.
    """
    authorization = request.headers.get("authorization")
    try:
        return await db.read(
            lambda session: usecases.authenticate(
                session, authorization, instance_id=identity.instance_id, now=now
            )
        )
    except ClockRefusedError as refused:
        await _note_clock(db, refused, now=now)
        raise


async def _note_clock(db: Db, refused: ClockRefusedError, *, now: datetime) -> None:
    # Looked up first: who is refused each second must not cost the one writer anything.
    gateway_id = refused.gateway_id
    if not await db.read(lambda session: usecases.is_skew_known(session, gateway_id, now=now)):
        await db.write(lambda session: usecases.note_refused_clock(session, refused, now=now))
