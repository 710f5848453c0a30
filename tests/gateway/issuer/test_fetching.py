from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from gateway.issuer.fetching import (
    KEY_SET_PATH,
    MAX_KEY_SET_BYTES,
    TooLargeError,
    discover_key_set,
    fetch_key_set,
    lines,
    read_key_set_file,
)
from gateway.issuer.tokens.key_sets import KeySetFetchError


@asynccontextmanager
async def an_instance(answer: web.Response) -> AsyncIterator[str]:
    async def keys(_: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_get(KEY_SET_PATH, keys)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_the_document_comes_as_it_is() -> None:
    async with an_instance(web.Response(body=b"keys")) as url, aiohttp.ClientSession() as session:
        assert await fetch_key_set(session, url) == b"keys"


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_another_answer_than_success_is_an_error(status: int) -> None:
    answer = web.Response(status=status, headers={"Location": "http://127.0.0.1:1/"})
    async with an_instance(answer) as url, aiohttp.ClientSession() as session:
        with pytest.raises(KeySetFetchError, match=str(status)):
            await fetch_key_set(session, url)


async def test_an_endless_document_is_an_error() -> None:
    answer = web.Response(body=b"x" * (MAX_KEY_SET_BYTES + 1))
    async with an_instance(answer) as url, aiohttp.ClientSession() as session:
        with pytest.raises(KeySetFetchError, match="TooLarge"):
            await fetch_key_set(session, url)


async def test_nobody_there_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(KeySetFetchError):
            await fetch_key_set(session, "http://127.0.0.1:1")


class FakeAnswer:
    """Gives its parts as they are."""

    def __init__(self, *parts: bytes) -> None:
        self.content = self
        self._parts = parts

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


async def all_lines(*parts: bytes, limit_bytes: int = 10) -> list[bytes]:
    answer = cast("aiohttp.ClientResponse", FakeAnswer(*parts))
    return [line async for line in lines(answer, limit_bytes=limit_bytes)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"one\ntwo\n",), [b"one", b"two"]),
        ((b"o", b"n", b"e\nt", b"wo", b"\n"), [b"one", b"two"]),
        ((b"one\n", b"\n"), [b"one", b""]),
        ((b"one\nhalf",), [b"one"]),
        ((b"0123456789\n0123456789\n",), [b"0123456789", b"0123456789"]),
        ((), []),
    ],
)
async def test_lines_come_whole_however_they_were_cut(
    parts: tuple[bytes, ...], expected: list[bytes]
) -> None:
    assert await all_lines(*parts) == expected


@pytest.mark.parametrize("parts", [(b"0123456789x",), (b"\n012345", b"6789x"), (b"0123456789x\n",)])
async def test_a_line_that_does_not_end_is_given_up(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(TooLargeError):
        await all_lines(*parts)


DISCOVERY = '{"issuer": "http://i.test", "jwks_uri": "%s"}'


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "<html>",
        '{"issuer": "http://i.test", "jwks_uri": 5}',
        DISCOVERY.replace("i.test", "other.test") % "http://127.0.0.1:{port}/keys",
        DISCOVERY % "http://127.0.0.1:1/keys",
        DISCOVERY % "https://127.0.0.1:{port}/keys",
        DISCOVERY % "http://localhost:{port}/keys",
        DISCOVERY % "http://u@127.0.0.1:{port}/keys",
        DISCOVERY % "//127.0.0.1:{port}/keys",
        DISCOVERY % "/keys",
    ],
)
async def test_a_discovery_document_that_leads_elsewhere_is_an_error(document: str) -> None:
    answer = web.Response()
    async with an_instance(answer) as url, aiohttp.ClientSession() as session:
        port = url.rstrip("/").rpartition(":")[2]
        answer.body = document.replace("{port}", port).encode()
        with pytest.raises(KeySetFetchError):
            await discover_key_set(session, url + KEY_SET_PATH[1:], issuer="http://i.test")


async def test_a_key_set_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(KeySetFetchError, match=r"keys\.json"):
        await read_key_set_file(path)
    path.write_bytes(b"keys")
    assert await read_key_set_file(path) == b"keys"
