"""Minting, discovery and the key set over REST."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Response

from appliance.access_tokens import rules, usecases
from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access, Caller
from appliance.storage.engine import Db

Clock = Callable[[], datetime]


@post("/api/v4/ai/access_tokens", opt={"access": Access.AI})
async def mint_access_token(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    minter: NamedDependency[Minter],
    clock: NamedDependency[Clock],
    gateway_url: NamedDependency[str],
) -> Response[dict[str, Any]]:
    """A token with which the caller can call the gateway at `base_url`."""
    token = await db.read(lambda session: minter.mint(session, caller, jti=uuid4(), now=clock()))
    return Response(
        {
            "token": token.text,
            "expires_at": int(token.expires_at.timestamp()),
            "base_url": gateway_url,
            "headers": token.headers,
        },
        headers={"cache-control": "no-store"},
    )


@get("/.well-known/openid-configuration", opt={"access": Access.PUBLIC})
async def get_discovery_document(
    *, request: Request[Any, Any, Any], public_url: NamedDependency[str]
) -> Response[bytes]:
    """Where the keys are."""
    return _cached(rules.discovery_document(public_url), request.headers.get("if-none-match"))


@get("/oauth/discovery/keys", opt={"access": Access.PUBLIC})
async def get_key_set(
    *, request: Request[Any, Any, Any], db: NamedDependency[Db]
) -> Response[bytes]:
    """The keys that access tokens are verified with."""
    keys = await db.read(usecases.published_keys)
    document = {"keys": [key.jwk() for key in keys]}
    return _cached(document, request.headers.get("if-none-match"))


def _cached(document: dict[str, Any], if_none_match: str | None) -> Response[bytes]:
    body = msgspec.json.encode(document)
    tag = rules.entity_tag(body)
    headers = {"etag": tag, "cache-control": f"public, max-age={rules.KEY_SET_MAX_AGE_S}"}
    if rules.matches_entity_tag(if_none_match, tag):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


handlers = (mint_access_token, get_discovery_document, get_key_set)
