import asyncio

from tests.builders import a_feed_model
from tests.fakes.instance import FakeInstance
from tests.gateway.conftest import RunningGateway, eventually

ANSWER = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class DroppingEndpoint:
    """Answers the first request of a connection and drops it at the second."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        start = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}"
        )
        writer.write(start.encode() + b"\r\n\r\n" + ANSWER)
        await reader.read(1)
        writer.close()


async def test_an_idle_connection_that_was_dropped_is_replaced_once(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    dropping = DroppingEndpoint()
    async with await asyncio.start_server(dropping.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        instance.serve(a_feed_model(endpoint=f"http://127.0.0.1:{port}/v1"))
        await eventually(lambda: dropping.connections > 0)
        answers = [await gateway.chat() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4
