"""Reads what an instance publishes, over the gateway's guarded client."""

from collections.abc import AsyncGenerator

import aiohttp

from gateway.issuer.key_sets import KeySetFetchError

KEY_SET_PATH = "/oauth/discovery/keys"
MAX_KEY_SET_BYTES = 1024 * 1024
SUCCESS = range(200, 300)


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
    url = instance_url.rstrip("/") + KEY_SET_PATH
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status not in SUCCESS:
                message = f"the instance answered {answer.status}"
                raise KeySetFetchError(message)
            return await read_limited(answer, limit_bytes=MAX_KEY_SET_BYTES)
    except (aiohttp.ClientError, TimeoutError, TooLargeError) as cause:
        message = f"{type(cause).__name__}: {cause}"
        raise KeySetFetchError(message) from cause
