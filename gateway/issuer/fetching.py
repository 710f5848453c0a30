"""Reads what an issuer publishes, over the gateway's guarded client."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import msgspec

from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.issuer.tokens.key_sets import KeySetFetchError

KEY_SET_PATH = "/oauth/discovery/keys"
MAX_KEY_SET_BYTES = 1024 * 1024
TIMEOUT_S = 10.0
SUCCESS = range(200, 300)


class _Discovery(msgspec.Struct, frozen=True):
    issuer: str
    jwks_uri: str


class TooLargeError(Exception):
    """An answer is longer than the reader is willing to hold."""


async def read_limited(answer: aiohttp.ClientResponse, *, limit_bytes: int) -> bytes:
    """The whole body; TooLargeError as soon as it passes the limit."""
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > limit_bytes:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


async def lines(answer: aiohttp.ClientResponse, *, limit_bytes: int) -> AsyncGenerator[bytes]:
    """Each line of a body that may never end; what follows the last line break is none.

    Raises:
        TooLargeError: a line passes the limit.
    """
    held: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        *whole, rest = part.split(b"\n")
        for line in whole:
            if size + len(line) > limit_bytes:
                raise TooLargeError
            yield b"".join((*held, line))
            held, size = [], 0
        size += len(rest)
        if size > limit_bytes:
            raise TooLargeError
        held.append(rest)


async def fetch_key_set(session: aiohttp.ClientSession, instance_url: str) -> bytes:
    """The key set document of the instance at its configured address.

    Raises:
        KeySetFetchError: no answer, or not one of success.
    """
    return await fetch_document(session, instance_url.rstrip("/") + KEY_SET_PATH)


async def fetch_document(
    session: aiohttp.ClientSession, url: str, *, trusted: ssl.SSLContext | None = None
) -> bytes:
    """What is at a configured address; `trusted` None: whoever the session trusts.

    Raises:
        KeySetFetchError: no answer within `TIMEOUT_S`, or not one of success.
    """
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            session.get(url, allow_redirects=False, ssl=trusted or True) as answer,
        ):
            if answer.status not in SUCCESS:
                message = f"the issuer answered {answer.status}"
                raise KeySetFetchError(message)
            return await read_limited(answer, limit_bytes=MAX_KEY_SET_BYTES)
    except (aiohttp.ClientError, OSError, TooLargeError) as cause:
        message = f"{type(cause).__name__}: {cause}"
        raise KeySetFetchError(message) from cause


async def discover_key_set(
    session: aiohttp.ClientSession,
    discovery_url: str,
    *,
    issuer: str,
    trusted: ssl.SSLContext | None = None,
) -> bytes:
    """The key set that an issuer's discovery document (OpenID Connect) names.

    Raises:
        KeySetFetchError: no answer, or the document is another issuer's, or names a key set that
            does not lie where the document does.
    """
    document = await fetch_document(session, discovery_url, trusted=trusted)
    try:
        found = msgspec.json.decode(document, type=_Discovery)
        is_near = _origin(found.jwks_uri) == _origin(discovery_url)
    except (ValueError, EndpointRefusedError, RecursionError) as cause:
        message = "the answer is not a discovery document"
        raise KeySetFetchError(message) from cause
    if found.issuer != issuer or not is_near:
        message = "the discovery document is another issuer's, or its keys lie elsewhere"
        raise KeySetFetchError(message)
    return await fetch_document(session, found.jwks_uri, trusted=trusted)


def _origin(url: str) -> tuple[str, str, int]:
    endpoint = parse_endpoint(url)
    return endpoint.scheme, endpoint.host, endpoint.port


async def read_key_set_file(path: Path) -> bytes:
    """The key set in a file.

    Raises:
        KeySetFetchError: it cannot be read.
    """
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as cause:
        message = f"{path}: {cause.strerror}"
        raise KeySetFetchError(message) from cause
