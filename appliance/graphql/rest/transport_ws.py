"""The protocol `graphql-transport-ws`: many operations over one socket.

Not the library's own: it asks for no token after the socket is open, masks no errors, knows no
deadline for what is sent, and nobody could take it away from a token that lost its right.
"""

import asyncio
from contextlib import aclosing, suppress
from typing import Any, assert_never

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.types import Scope
from pydantic import ValidationError

from appliance.accounts.errors import UnauthorizedError, UserBlockedError
from appliance.accounts.rules import Access, Caller
from appliance.graphql.errors import LineOverError
from appliance.graphql.rest.executing import Answered, Answering, Operation, Refused, Subscribed
from appliance.graphql.rest.lines import RESTART_CLOSURE, TRY_AGAIN_CLOSURE, Line
from appliance.graphql.rest.operations import PATH
from appliance.graphql.rest.sockets import Sockets, may_subscribe
from appliance.storage.engine import DatabaseUnavailableError

PROTOCOL = "graphql-transport-ws"
MAX_OPERATIONS = 100
MAX_ID_CHARS = 256
TOO_MANY = f"More than {MAX_OPERATIONS} operations at once are not answered over one connection."
# As the protocol numbers them.
INVALID_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INITIALISATION_TIMEOUT = 4408
ID_TAKEN = 4409
INITIALISED_TWICE = 4429
PROTOCOL_UNKNOWN = 4406
# What a page or a program may call its token, in small letters.
TOKEN_NAMES = ("private-token", "token")


class Frame(msgspec.Struct, frozen=True):
    """What a client says."""

    type: str
    id: str | None = None
    payload: dict[str, Any] | None = None


@websocket(PATH, opt={"access": Access.SOCKET})
async def serve_operations(
    *,
    socket: WebSocket[Any, Any, Any],
    sockets: NamedDependency[Sockets],
    answering: NamedDependency[Answering],
) -> None:
    """Serves one client, as long as it stays; a page of another site is refused."""
    origin = socket.headers.get("origin")
    try:
        if origin is not None and not await sockets.is_own_page(origin):
            await socket.close()
            return
    except DatabaseUnavailableError:
        await socket.close()
        return
    is_known = PROTOCOL in socket.scope["subprotocols"]
    await socket.accept(PROTOCOL if is_known else None)
    line = Line(socket, within_s=sockets.times.send)
    if not is_known:
        with suppress(LineOverError):
            await line.close(PROTOCOL_UNKNOWN, "Subprotocol not acceptable")
        return
    talk = Talk(line, socket.scope, sockets=sockets, answering=answering)
    with sockets.open(talk.say_goodbye):
        await line.live(talk.live)


class Talk:
    """One client's operations, by the ids that it gives them."""

    def __init__(self, line: Line, scope: Scope, *, sockets: Sockets, answering: Answering) -> None:
        self._line = line
        self._scope = scope
        self._sockets = sockets
        self._answering = answering
        self._caller: Caller | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def live(self, group: asyncio.TaskGroup) -> None:
        """Heeds what is said until the line is over.

        Raises:
            LineOverError: it is.
        """
        group.create_task(self._keep_watch())
        async for text in self._line.frames():
            frame = _read(text)
            if frame is None:
                await self._end(INVALID_MESSAGE, "Invalid message received")
            else:
                await self._heed(frame, group)

    async def say_goodbye(self) -> None:
        """Tells the client that the instance starts anew."""
        await self._line.close(RESTART_CLOSURE, "Service restart")

    async def _end(self, code: int, reason: str) -> None:
        await self._line.close(code, reason)
        raise LineOverError

    async def _keep_watch(self) -> None:
        """Ends who never says who they are, and later who is no longer let in."""
        times = self._sockets.times
        await asyncio.sleep(times.greeting)
        while (caller := self._caller) is not None:
            await asyncio.sleep(times.recheck)
            try:
                await self._sockets.check_again(caller)
            except (UnauthorizedError, UserBlockedError):
                await self._end(FORBIDDEN, "Forbidden")
            except DatabaseUnavailableError:
                await self._end(TRY_AGAIN_CLOSURE, "Try again later")
        await self._end(INITIALISATION_TIMEOUT, "Connection initialisation timeout")

    async def _heed(self, frame: Frame, group: asyncio.TaskGroup) -> None:
        match frame.type:
            case "connection_init":
                await self._greet(frame.payload or {})
            case "ping":
                await self._line.send({"type": "pong"})
            case "pong":
                return
            case "subscribe" if frame.id and len(frame.id) <= MAX_ID_CHARS:
                await self._begin(frame.id, frame.payload or {}, group)
            case "complete" if frame.id:
                if operation := self._operations.pop(frame.id, None):
                    operation.cancel()
            case _:
                await self._end(INVALID_MESSAGE, "Invalid message received")

    async def _greet(self, payload: dict[str, Any]) -> None:
        if self._caller is not None:
            await self._end(INITIALISED_TWICE, "Too many initialisation requests")
        try:
            self._caller = await self._sockets.admit(*self._presented(payload))
        except (UnauthorizedError, UserBlockedError):
            await self._end(FORBIDDEN, "Forbidden")
        except DatabaseUnavailableError:
            await self._end(TRY_AGAIN_CLOSURE, "Try again later")
        await self._line.send({"type": "connection_ack"})

    def _presented(self, payload: dict[str, Any]) -> tuple[str | None, str | None]:
        """What the greeting has as a private token and as an authorization, or else the headers."""
        said = {name.lower(): each for name, each in payload.items() if isinstance(each, str)}
        private = next((said[name] for name in TOKEN_NAMES if name in said), None)
        if private is None and "authorization" not in said:
            headers = self._line.headers
            return headers.get("private-token"), headers.get("authorization")
        return private, said.get("authorization")

    async def _begin(self, name: str, payload: dict[str, Any], group: asyncio.TaskGroup) -> None:
        caller = self._caller
        if caller is None or not may_subscribe(caller):
            await self._end(UNAUTHORIZED, "Unauthorized")
            return
        if name in self._operations:
            await self._end(ID_TAKEN, f"Subscriber for {name[:80]} already exists")
        try:
            operation = Operation.model_validate(payload)
        except ValidationError:
            await self._end(INVALID_MESSAGE, "Invalid message received")
            return
        if len(self._operations) >= MAX_OPERATIONS:
            await self._say("error", name, [{"message": TOO_MANY}])
            return
        self._operations[name] = group.create_task(self._run(name, operation, caller))

    async def _run(self, name: str, operation: Operation, caller: Caller) -> None:
        context = self._answering.context(caller, self._scope)
        async with aclosing(self._answering.events(operation, context)) as events:
            async for event in events:
                match event:
                    case Refused():
                        self._operations.pop(name, None)
                        await self._say("error", name, event.errors)
                        return
                    case Answered():
                        await self._say("next", name, event.answer)
                    case Subscribed():
                        continue
                    case _:
                        assert_never(event)
        # First, so that the client may give its id to another at once.
        self._operations.pop(name, None)
        await self._line.send({"type": "complete", "id": name})

    async def _say(self, kind: str, name: str, payload: Any) -> None:
        await self._line.send({"type": kind, "id": name, "payload": payload})


def _read(text: str | None) -> Frame | None:
    try:
        return None if text is None else msgspec.json.decode(text, type=Frame)
    except (msgspec.MsgspecError, RecursionError):
        return None
