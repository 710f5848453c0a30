from typing import Any

import pytest

from model_server.door import Door


async def through(scope: dict[str, Any]) -> list[Any]:
    """What the client of a door gets; "inside" stands for the application's own answer."""
    sent: list[Any] = []

    async def inside(_scope: Any, _receive: Any, send: Any) -> None:
        await send("inside")

    async def receive() -> Any:
        raise NotImplementedError

    async def send(message: Any) -> None:
        sent.append(message)

    await Door(inside)(scope, receive, send)
    return sent


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/health", "/metrics"])
async def test_what_the_appliance_uses_is_open(path: str) -> None:
    assert await through({"type": "http", "path": path}) == ["inside"]


@pytest.mark.parametrize(
    "path",
    ["/invocations", "/tokenize", "/scale_elastic_ep", "/", "/v1", "//v1/models", "/healthy"],
)
async def test_every_other_route_is_closed(path: str) -> None:
    start, body = await through({"type": "http", "path": path})
    assert start["status"] == 404
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


async def test_starting_and_ending_pass() -> None:
    assert await through({"type": "lifespan"}) == ["inside"]


async def test_sockets_elsewhere_are_closed() -> None:
    (message,) = await through({"type": "websocket", "path": "/socket"})
    assert message["type"] == "websocket.close"
