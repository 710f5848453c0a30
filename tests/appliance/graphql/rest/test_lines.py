import asyncio

import pytest
from litestar import WebSocket
from structlog.testing import capture_logs

from appliance.graphql.errors import LineOverError
from appliance.graphql.rest.cable import PATH, PROTOCOL
from appliance.graphql.rest.lines import Line
from tests.appliance.graphql.rest.conftest import OWN_ORIGIN, Live


class _Far(WebSocket):  # type: ignore[type-arg]  # of no application
    """The other side of a line: what it was sent, and whether it takes more."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.closed_with: list[int] = []
        self.takes = asyncio.Event()
        self.takes.set()

    async def send_text(self, data: str | bytes, encoding: str = "utf-8") -> None:
        del encoding
        await self.takes.wait()
        self.taken.append(str(data))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        del reason
        self.closed_with.append(code)


async def test_frames_go_out_one_after_the_other() -> None:
    far = _Far()
    line = Line(far, within_s=5)
    far.takes.clear()
    sending = [asyncio.create_task(line.send({"n": n})) for n in range(3)]
    await asyncio.sleep(0)
    far.takes.set()
    await asyncio.gather(*sending)
    assert far.taken == ['{"n":0}', '{"n":1}', '{"n":2}']


async def test_who_takes_nothing_in_time_has_left() -> None:
    far = _Far()
    line = Line(far, within_s=0.01)
    far.takes.clear()
    for _ in range(2):
        with pytest.raises(LineOverError):
            await line.send({})
    await line.close(1000)
    assert far.closed_with == []


async def test_goodbye_is_said_once_and_nothing_after_it() -> None:
    far = _Far()
    line = Line(far, within_s=5)
    await line.close(1012)
    await line.close(1000)
    with pytest.raises(LineOverError):
        await line.send({})
    assert (far.closed_with, far.taken) == ([1012], [])


async def test_when_one_part_finds_it_over_all_of_it_ends() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def life(group: asyncio.TaskGroup) -> None:
        group.create_task(wait())
        await asyncio.sleep(0)
        raise LineOverError

    await Line(_Far(), within_s=5).live(life)
    assert ended == ["waiting"]


async def test_a_fault_is_logged_and_ends_the_socket(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("appliance.graphql.rest.cable.Cable._subscribe", fail)
    with capture_logs() as logs:
        async with live.open(PATH, PROTOCOL, origin=OWN_ORIGIN) as client:
            await client.say({"command": "subscribe", "identifier": "x"})
            assert await client.closed() == (1011, "")
    assert "socket_failed" in {each["event"] for each in logs}
