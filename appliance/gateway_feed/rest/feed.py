"""What gateways read and tell, a request at a time."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access
from appliance.gateway_feed import rules, usecases
from appliance.gateway_feed.rest.accepting import Clock, accept
from appliance.gateway_feed.usecases import Sources
from appliance.storage.engine import Db, Session
from appliance.storage.identity import Identity
from appliance.usage.rules import Retention
from gateway.contract.events import EVENTS_PATH, Receipt
from gateway.contract.feed import FEED_PATH, REPORT_PATH


@get(FEED_PATH, opt={"access": Access.GATEWAY})
async def get_feed(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    feed_sources: NamedDependency[Sources],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    """The newest document for the gateway that asks, or 304: for one that knows no stream."""
    now = clock()
    assertion = await accept(request, db, identity, now=now)
    gateway = await db.write(lambda session: usecases.use_assertion(session, assertion, now=now))
    held = request.headers.get("if-none-match")
    answer = await db.read(
        lambda session: usecases.read_feed(
            session, gateway, if_none_match=held, sources=feed_sources, now=now
        )
    )
    headers = {"etag": answer.entity_tag, "cache-control": "no-store"}
    if answer.signed is None:
        return Response(b"", status_code=304, headers=headers)
    body = msgspec.json.encode(answer.signed)
    return Response(body, media_type="application/json", headers=headers)


@post(REPORT_PATH, opt={"access": Access.GATEWAY}, status_code=204)
async def post_report(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    clock: NamedDependency[Clock],
) -> None:
    """Keeps what the gateway says of itself."""
    now = clock()
    assertion = await accept(request, db, identity, now=now)
    report = rules.parse_report(await request.body())

    def store(session: Session) -> None:
        usecases.use_assertion(session, assertion, now=now)
        usecases.store_report(session, assertion, report, now=now)

    await db.write(store)


@post(EVENTS_PATH, opt={"access": Access.GATEWAY}, status_code=200)
async def post_events(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    minter: NamedDependency[Minter],
    usage_retention: NamedDependency[Retention],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    """Counts what the gateway tells of usage and refusals."""
    now = clock()
    assertion = await accept(request, db, identity, now=now)
    batch = rules.parse_batch(await request.body())

    def store(session: Session) -> Receipt:
        gateway = usecases.use_assertion(session, assertion, now=now)
        return usecases.take_batch(
            session, gateway, batch, minter=minter, keeps=usage_retention.events, now=now
        )

    receipt = await db.write(store)
    return Response(msgspec.json.encode(receipt), media_type="application/json")


handlers = (get_feed, post_report, post_events)
