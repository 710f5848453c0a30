"""The admin's view of the signing keys, and their rotation, over REST."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import anyio.to_thread
from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.access_tokens import rules, usecases
from appliance.access_tokens.rules import Held, SigningKey, Timing
from appliance.accounts.rules import Access, Caller
from appliance.errors import InvalidFieldsError
from appliance.storage.engine import Db, Session
from appliance.storage.sealing import Sealer

Clock = Callable[[], datetime]
# What gateways say of the keys they can verify with; they lie above this room.
HeldKids = Callable[[Session, datetime], Held]
ShowKeys = Callable[[Session, datetime], list[dict[str, Any]]]
PATH = "/api/v4/ai/signing_keys"


class RotationBody(BaseModel):
    """A wish for a rotation; a compromised key, the current one unless named, ends at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # Litestar validates leniently, where even a StrictBool takes "yes".
    compromised: Literal[True, False] = False
    kid: StrictStr | None = None

    def check(self) -> None:
        """Passes when a key is named only to be ended.

        Raises:
            InvalidFieldsError: another one is named.
        """
        if self.kid is not None and not self.compromised:
            raise InvalidFieldsError({"kid": "is only taken together with compromised"})


async def provide_show_keys(
    *, key_timing: NamedDependency[Timing], held_kids: NamedDependency[HeldKids]
) -> ShowKeys:
    """Shows every key that is not gone, oldest first, with who holds it and what it waits for."""

    def show(session: Session, now: datetime) -> list[dict[str, Any]]:
        held = held_kids(session, now)
        return [
            {**_show(key, now=now), **_show_holders(key, held, key_timing, now=now)}
            for key in usecases.signing_keys(session)
        ]

    return show


@get(PATH, opt={"access": Access.ADMIN}, dependencies={"show_keys": Provide(provide_show_keys)})
async def list_signing_keys(
    *,
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    show_keys: NamedDependency[ShowKeys],
) -> list[dict[str, Any]]:
    """The signing keys."""
    now = clock()
    return await db.read(lambda session: show_keys(session, now))


@post(
    f"{PATH}/rotate",
    opt={"access": Access.ADMIN},
    dependencies={"show_keys": Provide(provide_show_keys)},
)
async def rotate_signing_keys(
    *,
    data: JSONBody[RotationBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    sealer: NamedDependency[Sealer],
    show_keys: NamedDependency[ShowKeys],
) -> dict[str, Any]:
    """Begins a rotation, or ends a compromised key at once."""
    data.check()
    fresh = await anyio.to_thread.run_sync(usecases.make_key, sealer)
    now, actor = clock(), caller.actor

    def work(session: Session) -> dict[str, Any]:
        began, killed = False, None
        if data.compromised:
            killed = usecases.kill_key(session, data.kid, fresh, actor=actor, now=now)
        else:
            began = usecases.rotate(session, fresh, actor=actor, now=now)
        return {"began": began, "killed": killed, "keys": show_keys(session, now)}

    return await db.write(work)


def _show(key: SigningKey, *, now: datetime) -> dict[str, Any]:
    times = {
        "created_at": key.created_at,
        "signs_since": key.signs_since,
        "ended_at": key.ended_at,
        "gone_at": key.gone_at,
    }
    return {
        "kid": key.kid,
        "state": key.state,
        "age_s": int((now - key.created_at).total_seconds()),
        **{name: None if at is None else at.isoformat() for name, at in times.items()},
    }


def _show_holders(key: SigningKey, held: Held, timing: Timing, *, now: datetime) -> dict[str, Any]:
    names: Sequence[str] = rules.holders(key.kid, held)
    if key.state != "next":
        return {"held_by": names, "waits_for": None}
    wait = rules.wait_of(key, held, timing=timing, now=now)
    until = None if wait.until is None else wait.until.isoformat()
    return {"held_by": names, "waits_for": {"until": until, "gateways": wait.gateways}}


handlers = (list_signing_keys, rotate_signing_keys)
