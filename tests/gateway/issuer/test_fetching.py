from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway.issuer.fetching import KEY_SET_PATH, MAX_KEY_SET_BYTES, fetch_key_set
from gateway.issuer.key_sets import KeySetFetchError


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
