"""Discovery and the key set, for whoever verifies access tokens."""

from typing import Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Response

from appliance.access_tokens import rules, usecases
from appliance.access_tokens.rules import Timing
from appliance.accounts.rules import Access
from appliance.storage.engine import Db


@get("/.well-known/openid-configuration", opt={"access": Access.PUBLIC})
async def get_discovery_document(
    *,
    request: Request[Any, Any, Any],
    public_url: NamedDependency[str],
    key_timing: NamedDependency[Timing],
) -> Response[bytes]:
    """Where the keys are."""
    document = rules.discovery_document(public_url)
    return _cached(document, request.headers.get("if-none-match"), key_timing)


@get("/oauth/discovery/keys", opt={"access": Access.PUBLIC})
async def get_key_set(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    key_timing: NamedDependency[Timing],
) -> Response[bytes]:
    """The keys that access tokens are verified with."""
    keys = await db.read(usecases.published_keys)
    document = {"keys": [key.jwk() for key in keys]}
    return _cached(document, request.headers.get("if-none-match"), key_timing)


def _cached(document: dict[str, Any], if_none_match: str | None, timing: Timing) -> Response[bytes]:
    body = msgspec.json.encode(document)
    tag = rules.entity_tag(body)
    headers = {
        "etag": tag,
        "cache-control": f"public, max-age={int(timing.max_age.total_seconds())}",
    }
    if rules.matches_entity_tag(if_none_match, tag):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


handlers = (get_discovery_document, get_key_set)
