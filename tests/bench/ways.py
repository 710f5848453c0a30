"""The ways to the mock endpoint: directly, and through each thing that may stand before it."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.issuer.identity import make_identity
from gateway.issuer.pins import Pin, save_pin
from tests.bench.driver import Target, connect, streams, unchunked
from tests.bench.figures import lost_and_wrong
from tests.bench.mock_endpoint import ANSWER, chunk_text
from tests.bench.peers.environments import PeerUnavailableError
from tests.bench.peers.programs import KEY, Peer, Place
from tests.bench.processes import Cores, cpu_s, memory_mb, start
from tests.builders import INSTANCE_ID, ISSUER, a_feed_key, a_feed_model, a_token, base64url
from tests.conftest import a_free_port
from tests.fakes.instance import FakeInstance

# No token that is taken lives longer.
LONGEST_RUN_S = 3600
START_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to the mock endpoint, and the process that stands on it."""

    name: str
    target: Target
    pid: int
    version: str = ""
    is_slow: bool = False

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    def memory_mb(self, *, peak: bool = False) -> float:
        return memory_mb(self.pid, peak=peak)


class NotForwardedError(Exception):
    """A way whose answer is not the endpoint's, or that does not stream."""

    def __init__(self, *, way: str, what: str) -> None:
        super().__init__(f"{way} {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Starts the ways of one run."""

    stack: ExitStack
    folder: Path
    cores: Cores
    mock_port: int

    async def direct(self) -> Way:
        program = [sys.executable, "-m", "tests.bench.mock_endpoint", str(self.mock_port)]
        pid = self._start(program, name="mock", core=self.cores.bench)
        way = Way(name="direct", target=Target(port=self.mock_port, bearer="unused"), pid=pid)
        await _until_answered(way.target)
        return way

    async def pipe(self) -> Way:
        port = a_free_port()
        program = [sys.executable, "-m", "tests.bench.bare_pipe", str(port), str(self.mock_port)]
        pid = self._start(program, name="pipe", core=self.cores.way)
        way = Way(name="pipe", target=Target(port=port, bearer="unused"), pid=pid)
        await _until_answered(way.target)
        return way

    async def gateway(self) -> Way:
        """The gateway with its policy fully on, before a fake instance in this process."""
        home = self.folder / "home"
        identity = make_identity(home / "gateway")
        instance = FakeInstance(identity)
        await instance.start()
        instance.serve(a_feed_model(endpoint=f"http://127.0.0.1:{self.mock_port}/v1"))
        pin = Pin(
            instance_id=INSTANCE_ID,
            feed_key=base64url(a_feed_key().public_key().public_bytes_raw()),
            issuer=ISSUER,
            instance_url=instance.url,
        )
        save_pin(home / "gateway", pin)
        port, metrics_port = a_free_port(), a_free_port()
        env = {
            "CASEMATE_HOME": str(home),
            "CASEMATE_GATEWAY_PORT": str(port),
            "CASEMATE_GATEWAY_METRICS_PORT": str(metrics_port),
        }
        program = [sys.executable, "-m", "gateway", "serve"]
        pid = self._start(program, name="gateway", core=self.cores.way, env=env)
        token = a_token(exp=int(time.time()) + LONGEST_RUN_S)
        way = Way(name="gateway", target=Target(port=port, bearer=token), pid=pid)
        await _until_answered(way.target)
        return way

    async def peer(self, peer: Peer, cache: Path) -> Way:
        """Installs and starts a peer; raises PeerUnavailableError."""
        place = Place(
            port=a_free_port(),
            spare_port=a_free_port(),
            upstream_port=self.mock_port,
            folder=self.folder,
        )
        program = await asyncio.to_thread(peer.prepare, place, cache)
        env = dict(program.env)
        pid = self._start(program.command, name=peer.name, core=self.cores.way, env=env)
        target = Target(port=place.port, bearer=KEY, headers=program.headers)
        way = Way(
            name=peer.name, target=target, pid=pid, version=peer.version, is_slow=peer.is_slow
        )
        try:
            await _until_answered(target)
        except TimeoutError as cause:
            raise PeerUnavailableError(peer=peer.name, why=f"does not answer: {cause}") from cause
        return way

    def _start(
        self, program: list[str], *, name: str, core: int, env: dict[str, str] | None = None
    ) -> int:
        log = self.folder / f"{name}.log"
        return start(self.stack, program, core=core, log=log, env=env)


async def _until_answered(target: Target) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            connection = await connect(target)
            await asyncio.wait_for(connection.ask(target.request()), timeout=10)
        except (OSError, RuntimeError, TimeoutError) as failure:
            if time.monotonic() > deadline:
                raise TimeoutError(str(failure)[:300]) from failure
            await asyncio.sleep(0.1)
        else:
            connection.close()
            return


async def check(way: Way, served: Callable[[], dict[str, int]]) -> None:
    """Asks once whole and once streamed: the endpoint's own answer, from the endpoint, in time."""
    before = served()
    connection = await connect(way.target)
    answer = (await connection.ask(way.target.request())).partition(b"\r\n\r\n")
    connection.close()
    body = answer[2] if b"content-length" in answer[0].lower() else unchunked(b"".join(answer))
    text = json.loads(body)["choices"][0]["message"]["content"]
    if text != ANSWER:
        raise NotForwardedError(way=way.name, what=f"answers {text!r}")
    chunks, pace_ms = 6, 60
    # The first stream of a process may wait for what is loaded late.
    await streams(way.target, count=1, chunks=1, pace_ms=pace_ms)
    [streamed] = await streams(way.target, count=1, chunks=chunks, pace_ms=pace_ms)
    expected = expected_texts(chunks)
    if lost_and_wrong(streamed.contents(), expected) != (0, False):
        raise NotForwardedError(way=way.name, what=f"streams {streamed.contents()}")
    if streamed.took_s - streamed.first_s < pace_ms * (chunks - 2) / 1000:
        raise NotForwardedError(way=way.name, what="does not stream: it sends all at the end")
    now = served()
    asked = (now["answers"] - before["answers"], now["streams"] - before["streams"])
    if asked != (1, 2):
        raise NotForwardedError(way=way.name, what=f"asked the endpoint {asked} times, not (1, 2)")


def expected_texts(chunks: int) -> Sequence[str]:
    """What a stream of so many chunks has to say."""
    return [chunk_text(number) for number in range(chunks)]


def served_by(mock_port: int) -> Callable[[], dict[str, int]]:
    """Asks the mock endpoint how much it has served."""

    def ask() -> dict[str, int]:
        counted: dict[str, int] = httpx.get(
            f"http://127.0.0.1:{mock_port}/served", trust_env=False
        ).json()
        return counted

    return ask
