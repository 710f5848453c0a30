"""Sockets that cost next to nothing: what came and when is kept, and looked into afterwards."""

import asyncio
import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
LENGTH_16, LENGTH_64 = 126, 127
# So small that it is full at once, as that of a client that reads nothing.
SMALL_BUFFER = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a socket is opened, and who opens it."""

    port: int
    path: str
    protocol: str
    headers: Mapping[str, str]


class Listener(asyncio.Protocol):
    """A client's side of RFC 6455 as far as it is needed here: whole frames, and pings answered."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.received: list[tuple[float, bytes]] = []
        self.is_lost = False
        self.is_open = asyncio.Event()
        self.news = asyncio.Event()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """Where it is connected."""
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {self.place.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Sec-WebSocket-Protocol: {self.place.protocol}",
            *(f"{name}: {value}" for name, value in self.place.headers.items()),
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
        self.is_open.set()
        self.news.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.is_open.is_set():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise RuntimeError(head[:200].decode())
            self._buffer = rest
            self.is_open.set()
        self._take_frames()

    def _take_frames(self) -> None:
        now = time.perf_counter()
        while (cut := _frame(self._buffer)) is not None:
            opcode, start, end = cut
            payload, self._buffer = self._buffer[start:end], self._buffer[end:]
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                self.transport.close()
            elif opcode == TEXT:
                self.received.append((now, payload))
        self.news.set()

    def say(self, frame: Mapping[str, Any]) -> None:
        """Sends a frame of JSON."""
        self._send(TEXT, json.dumps(frame).encode())

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < LENGTH_16 else struct.pack("!BH", 0xFE, size)
        # A mask of nothing: the rule asks for one, and it changes nothing.
        self.transport.write(bytes([opcode]) + length + b"\0\0\0\0" + payload)

    async def until(self, claim: Callable[[], bool], *, within_s: float = 30) -> None:
        """Returns once what it received is as wanted."""
        async with asyncio.timeout(within_s):
            while not claim():
                await self.more()

    async def more(self) -> None:
        """Returns once more has come."""
        if self.is_lost:
            raise ConnectionError
        self.news.clear()
        await self.news.wait()


def _frame(buffer: bytes) -> tuple[int, int, int] | None:
    """What kind of frame comes first, and where its payload begins and ends."""
    if len(buffer) < 2:
        return None
    size, start = buffer[1], 2
    if size == LENGTH_16 and len(buffer) >= 4:
        size, start = int.from_bytes(buffer[2:4]), 4
    elif size == LENGTH_64 and len(buffer) >= 10:
        size, start = int.from_bytes(buffer[2:10]), 10
    elif size >= LENGTH_16:
        return None
    return (buffer[0], start, start + size) if len(buffer) >= start + size else None


async def listen(place: Place, *, is_slow: bool = False) -> Listener:
    """Opens a socket; one that `is_slow` has nearly no room for what it does not read."""
    connected = socket.socket()
    connected.setblocking(False)
    if is_slow:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connected, ("127.0.0.1", place.port))
    _, listener = await loop.create_connection(lambda: Listener(place), sock=connected)
    await listener.is_open.wait()
    return listener
