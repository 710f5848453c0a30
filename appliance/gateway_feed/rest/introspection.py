"""Tells a gateway what a personal access token opens (RFC 7662)."""

from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.response import Response

from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.gateway_feed import usecases
from appliance.gateway_feed.rest.accepting import Clock, accept
from appliance.storage.engine import MAX_ID, Db, Session
from appliance.storage.identity import Identity
from gateway.contract.claims import Claims
from gateway.contract.introspection import INTROSPECTION_PATH

MAX_FIELDS = 8
NOTHING = {"active": False}


@post(INTROSPECTION_PATH, opt={"access": Access.GATEWAY}, status_code=200)
async def introspect(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    minter: NamedDependency[Minter],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    """The claims that a token of that user would have; or that the text opens nothing."""
    now = clock()
    assertion = await accept(request, db, identity, now=now)
    fields = parse_form(await request.body())

    def look(session: Session) -> Claims | None:
        usecases.use_assertion(session, assertion, now=now)
        if (namespace := fields.get("namespace_id")) is not None and not _is_id(namespace):
            return None
        return usecases.introspect(
            session,
            fields["token"],
            namespace_id=None if namespace is None else int(namespace),
            minter=minter,
            jti=uuid4(),
            now=now,
        )

    claims = await db.write(look)
    found = NOTHING if claims is None else {"active": True, **msgspec.to_builtins(claims)}
    return Response(
        msgspec.json.encode(found),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form, each at most once, with a `token` among them.

    Raises:
        InvalidFieldsError: it is no such form.
    """
    try:
        found = parse_qs(
            body.decode("ascii"), strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise InvalidFieldsError({"body": "must be a form"}) from None
    if "token" not in found or any(len(values) != 1 for values in found.values()):
        raise InvalidFieldsError({"token": "is required, once"})
    return {name: value for name, (value,) in found.items()}


def _is_id(text: str) -> bool:
    # What a caller of the gateway asked for may be anything; it is no group then.
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID))
    return is_number and 0 < int(text) <= MAX_ID


handlers = (introspect,)
