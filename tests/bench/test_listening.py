import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from tests.bench.listening import Place, listen

LONG = "x" * 300
LONGER = "x" * 70_000


async def test_whole_frames_are_kept_however_they_come_and_pings_are_answered() -> None:
    heard: list[Any] = []

    async def talk(connection: ServerConnection) -> None:
        heard.append(await connection.recv())
        for text in ("{}", LONG, LONGER):
            await connection.send(text)
        await (await connection.ping())
        heard.append("pong")

    async with serve(talk, "127.0.0.1", 0, subprotocols=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        place = Place(port=port, path="/", protocol="x", headers={"Origin": "http://x"})
        listener = await listen(place, is_slow=True)
        listener.say({"text": LONG})
        async with asyncio.timeout(10):
            while not listener.is_lost:
                listener.news.clear()
                await listener.news.wait()
    assert [payload.decode() for _, payload in listener.received] == ["{}", LONG, LONGER]
    assert heard == [f'{{"text": "{LONG}"}}', "pong"]
