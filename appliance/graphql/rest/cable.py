"""GitLab's cable: subscriptions as channels over one socket, in the four dialects of its clients.

The query stands in what a channel is called by, or comes later as a message to it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, TypeVar, assert_never

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.types import Scope

from appliance.accounts.errors import UnauthorizedError, UserBlockedError
from appliance.accounts.rules import Access, Caller
from appliance.graphql.errors import LineOverError
from appliance.graphql.rest.executing import Answered, Answering, Operation, Refused, Subscribed
from appliance.graphql.rest.lines import NORMAL_CLOSURE, RESTART_CLOSURE, TRY_AGAIN_CLOSURE, Line
from appliance.graphql.rest.sockets import Sockets, may_subscribe
from appliance.storage.engine import DatabaseUnavailableError

PATH = "/-/cable"
PROTOCOL = "actioncable-v1-json"
CHANNEL = "GraphqlChannel"
MAX_FRAME_CHARS = 64 * 1024
MAX_CHANNELS = 100
# Of all channels together; each is a task that may hold a subscription.
MAX_OPERATIONS = 100
# A client that sends more frames that mean nothing has lost its way.
MAX_BROKEN = 10
BAD_VARIABLES = "The variables must be a JSON object."
TOO_MANY = f"More than {MAX_OPERATIONS} operations at once are not answered over one connection."
T = TypeVar("T")


class Command(msgspec.Struct, frozen=True):
    """A frame of a client; `identifier` is the name of a channel, which is JSON in itself."""

    command: str
    identifier: str
    data: str = ""


class ChannelName(msgspec.Struct, frozen=True, rename={"operation_name": "operationName"}):
    """What a channel's identifier says; some clients add members of their own."""

    channel: str
    query: str | None = None
    variables: Any = None
    operation_name: str | None = None


class Said(msgspec.Struct, frozen=True, rename={"operation_name": "operationName"}):
    """What a message to a channel says."""

    query: str
    variables: Any = None
    operation_name: str | None = None
    action: str = "execute"


@websocket(PATH, opt={"access": Access.SOCKET})
async def serve_cable(
    *,
    socket: WebSocket[Any, Any, Any],
    sockets: NamedDependency[Sockets],
    answering: NamedDependency[Answering],
) -> None:
    """Serves one client, as long as it stays."""
    headers = socket.headers
    try:
        if not await sockets.is_own_page(headers.get("origin")):
            await socket.close()
            return
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
        line = Line(socket, within_s=sockets.times.send)
        try:
            caller = await sockets.admit(headers.get("private-token"), headers.get("authorization"))
        except (UnauthorizedError, UserBlockedError):
            await _disconnect(line, "unauthorized")
            return
    except DatabaseUnavailableError:
        # Before it is accepted it is refused with that, afterwards sent away.
        await socket.close(TRY_AGAIN_CLOSURE)
        return
    except LineOverError:
        return
    cable = Cable(line, caller, socket.scope, sockets=sockets, answering=answering)
    with sockets.open(cable.say_goodbye):
        await line.live(cable.live)


async def _disconnect(
    line: Line, reason: str, *, may_return: bool = False, code: int = NORMAL_CLOSURE
) -> None:
    await line.send({"type": "disconnect", "reason": reason, "reconnect": may_return})
    await line.close(code)


class Cable:
    """One client's channels; each has its operations, which end with it."""

    def __init__(
        self, line: Line, caller: Caller, scope: Scope, *, sockets: Sockets, answering: Answering
    ) -> None:
        self._line = line
        self._caller = caller
        self._scope = scope
        self._sockets = sockets
        self._answering = answering
        self._channels: dict[str, set[asyncio.Task[None]]] = {}
        self._broken = 0

    async def live(self, group: asyncio.TaskGroup) -> None:
        """Heeds what is said until the line is over.

        Raises:
            LineOverError: it is.
        """
        await self._line.send({"type": "welcome"})
        group.create_task(self._beat())
        async for text in self._line.frames():
            await self._heed(text, group)

    async def say_goodbye(self) -> None:
        """Tells the client to come back once the instance is there again."""
        await _disconnect(self._line, "server_restart", may_return=True, code=RESTART_CLOSURE)

    async def _beat(self) -> None:
        loop, times = asyncio.get_running_loop(), self._sockets.times
        due = loop.time() + times.recheck
        while True:
            await asyncio.sleep(times.ping)
            epoch = int(self._sockets.now().timestamp())
            await self._line.send({"type": "ping", "message": epoch})
            if loop.time() >= due:
                due = loop.time() + times.recheck
                await self._look_again()

    async def _look_again(self) -> None:
        try:
            await self._sockets.check_again(self._caller)
        except (UnauthorizedError, UserBlockedError):
            await _disconnect(self._line, "unauthorized")
        except DatabaseUnavailableError:
            await self.say_goodbye()

    async def _heed(self, text: str | None, group: asyncio.TaskGroup) -> None:
        frame = _read(text, Command) if text is not None else None
        if frame is None:
            await self._bear_with_it()
            return
        match frame.command:
            case "subscribe":
                await self._subscribe(frame.identifier, group)
            case "unsubscribe":
                for each in self._channels.pop(frame.identifier, ()):
                    each.cancel()
            case "message" if (said := _read(frame.data, Said)) is not None:
                await self._hear(frame.identifier, said, group)
            case _:
                await self._bear_with_it()

    async def _bear_with_it(self) -> None:
        self._broken += 1
        if self._broken > MAX_BROKEN:
            await _disconnect(self._line, "invalid_request")

    async def _subscribe(self, identifier: str, group: asyncio.TaskGroup) -> None:
        if identifier in self._channels:
            # Confirmed already; some clients would ask for everything again if told twice.
            return
        name = _read(identifier, ChannelName)
        is_refused = len(self._channels) >= MAX_CHANNELS or not may_subscribe(self._caller)
        if is_refused or name is None or name.channel != CHANNEL:
            await self._line.send({"type": "reject_subscription", "identifier": identifier})
            return
        self._channels[identifier] = set()
        await self._line.send({"type": "confirm_subscription", "identifier": identifier})
        if name.query is not None:
            said = Said(name.query, name.variables, name.operation_name)
            await self._hear(identifier, said, group)

    async def _hear(self, identifier: str, said: Said, group: asyncio.TaskGroup) -> None:
        running = self._channels.get(identifier)
        if running is None or said.action != "execute":
            return
        if sum(map(len, self._channels.values())) >= MAX_OPERATIONS:
            await self._tell(identifier, _refused(TOO_MANY))
            return
        task = group.create_task(self._run(identifier, said))
        running.add(task)
        task.add_done_callback(running.discard)

    async def _run(self, identifier: str, said: Said) -> None:
        variables = _variables(said.variables)
        if variables is None:
            await self._tell(identifier, _refused(BAD_VARIABLES))
            return
        operation = Operation(
            query=said.query, variables=variables, operationName=said.operation_name
        )
        context = self._answering.context(self._caller, self._scope)
        result: Mapping[str, Any]
        has_more = False
        async with aclosing(self._answering.events(operation, context)) as events:
            async for event in events:
                match event:
                    case Refused():
                        has_more, result = False, {"errors": event.errors}
                    case Subscribed():
                        has_more, result = True, event.answer
                    case Answered():
                        has_more, result = event.has_more, event.answer
                    case _:
                        assert_never(event)
                await self._tell(identifier, {"result": result, "more": has_more})
        if has_more:
            await self._tell(identifier, {"more": False})

    async def _tell(self, identifier: str, message: Mapping[str, Any]) -> None:
        await self._line.send({"identifier": identifier, "message": message})


def _refused(sentence: str) -> dict[str, Any]:
    return {"errors": [{"message": sentence}]}


def _read(text: str, kind: type[T]) -> T | None:
    """The text as that; None: it is nothing of the kind."""
    if len(text) > MAX_FRAME_CHARS:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _variables(given: Any) -> dict[str, Any] | None:
    """An object, or the text of one; None: neither."""
    read = _read(given, dict[str, Any]) if isinstance(given, str) and given else given or {}
    return read if isinstance(read, dict) else None
