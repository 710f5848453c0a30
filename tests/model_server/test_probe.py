import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from model_server.probe import Probe
from tests.conftest import a_free_port
from tests.fakes.vllm_stand_in import command


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = a_free_port()
    arguments = (*command("--port", str(port), "--served-model-name", "m"),)
    with subprocess.Popen(arguments, env={"VLLM_API_KEY": "key"}, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        child.kill()


@asynccontextmanager
async def asking(url: str, *, ref: str = "m", api_key: str = "key") -> AsyncIterator[Probe]:
    probe = Probe(url, ref=ref, api_key=api_key)
    try:
        yield probe
    finally:
        await probe.aclose()


async def until_listening(probe: Probe) -> None:
    while not await probe.is_listening():
        pass


async def test_a_token_is_computed_for_one_who_shows_the_key(url: str) -> None:
    async with asking(url) as probe:
        await until_listening(probe)
        assert await probe.has_token()


@pytest.mark.parametrize("wrong", [{"api_key": "other"}, {"ref": "other"}])
async def test_another_key_or_model_gives_no_token(url: str, wrong: dict[str, str]) -> None:
    async with asking(url, **wrong) as probe:
        await until_listening(probe)
        assert not await probe.has_token()


async def test_nobody_there_is_no_answer() -> None:
    async with asking(f"http://127.0.0.1:{a_free_port()}") as probe:
        assert not await probe.is_listening()
        assert not await probe.has_token()
