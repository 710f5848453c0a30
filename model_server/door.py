"""A middleware inside vLLM that closes every route but the ones the appliance uses.

vLLM 0.32 asks for the API key only below /v1 and /inference: `/invocations` would answer a prompt,
and `/scale_elastic_ep` change the engine, for whoever reaches the port. vLLM is started with
`--middleware model_server.door.Door`; this module therefore imports nothing of ours or vLLM's.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# These need no key: they tell nothing of a request, and watches and monitors ask them.
OPEN_PATHS = frozenset({"/health", "/metrics", "/version"})
KEYED_PREFIX = "/v1/"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_REFUSAL = json.dumps(
    {
        "error": {
            "message": "There is no such page.",
            "type": "NotFoundError",
            "param": None,
            "code": 404,
        }
    }
).encode()


class Door:
    """An ASGI application around another; what it lets through passes untouched."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it itself."""
        if scope["type"] == "lifespan" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(_REFUSAL)).encode()),
            ]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})
        else:
            await send({"type": "websocket.close", "code": 1008})


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(KEYED_PREFIX)
