"""Registered gateways as an admin sees, adds and removes them."""

from datetime import datetime
from typing import Any

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.gateway_feed import usecases
from appliance.gateway_feed.rest.accepting import Clock
from appliance.gateway_feed.rules import Gateway
from appliance.gateway_feed.usecases import Follower, Registration, Sources
from appliance.instance_settings.usecases import addresses
from appliance.storage.engine import Db, Session
from appliance.storage.identity import Identity

PATH = "/api/v4/ai/gateways"


class GatewayBody(BaseModel):
    """A name, and what `python -m gateway keys` prints on the gateway's machine."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: StrictStr
    signing_key: StrictStr
    sealing_key: StrictStr
    gateway_id: StrictStr | None = None


@get(PATH, opt={"access": Access.ADMIN})
async def list_gateways(
    *, db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> list[dict[str, Any]]:
    """Every registered gateway, by name."""
    now = clock()
    found = await db.read(lambda session: usecases.followers(session, now=now))
    return [_show(each, now=now) for each in found]


@get(PATH + "/{name:str}", opt={"access": Access.ADMIN})
async def get_gateway(
    *, name: FromPath[str], db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> dict[str, Any]:
    """One of them."""
    now = clock()
    found = await db.read(lambda session: usecases.follower(session, name, now=now))
    return _show(found, now=now)


@post(PATH, opt={"access": Access.ADMIN})
async def add_gateway(
    *,
    data: JSONBody[GatewayBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    feed_sources: NamedDependency[Sources],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Registers a gateway; `pin` is what it must be given to trust this instance."""
    now = clock()
    registration = Registration(**data.model_dump())

    def add(session: Session) -> tuple[Gateway, dict[str, str]]:
        gateway = usecases.add_gateway(session, registration, actor=caller.actor, now=now)
        public_url = addresses(session, feed_sources.told).instance_public_url
        pin = {
            "instance_id": identity.instance_id,
            "feed_key": usecases.feed_public_key(session),
            "issuer": public_url,
            "instance_url": public_url,
        }
        return gateway, pin

    gateway, pin = await db.write(add)
    return {"name": gateway.name, "id": gateway.id, "pin": pin}


@delete(PATH + "/{name:str}", opt={"access": Access.ADMIN}, status_code=200)
async def remove_gateway(
    *,
    name: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> Response[dict[str, Any]]:
    """Trusts a gateway no more, from this moment; `warning` says what that means for others."""
    now = clock()
    warning = await db.write(
        lambda session: usecases.remove_gateway(session, name, actor=caller.actor, now=now)
    )
    return Response({"name": name, "warning": warning})


def _show(found: Follower, *, now: datetime) -> dict[str, Any]:
    gateway = found.gateway
    return {
        "name": gateway.name,
        "id": gateway.id,
        "version": gateway.version,
        "is_present": gateway.is_present(at=now),
        "connection": gateway.connection(at=now),
        "registered_at": gateway.registered_at,
        "last_seen_at": gateway.last_seen_at,
        "epoch": gateway.epoch,
        "sequence": gateway.sequence,
        "changes_behind": found.changes_behind,
        "seconds_behind": found.seconds_behind,
        "kids": sorted(gateway.kids),
        "clock_skew_ms": gateway.clock_skew_ms,
        "skew_measured_at": gateway.skew_measured_at,
        "clock_is_off": gateway.clock_is_off,
        "clock_note": gateway.clock_note,
        "models": [{"ref": each.ref, "state": each.state} for each in gateway.reported_models],
    }


handlers = (list_gateways, get_gateway, add_gateway, remove_gateway)
