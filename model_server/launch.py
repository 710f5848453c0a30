"""One vLLM with everything it started: begun, listened to, and ended as a whole."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from model_server import guard
from model_server.egress import sitecustomize

# vLLM's traceback through three processes takes about 200 lines.
KEPT_LINES = 400
MAX_LINE_CHARS = 4000
GUARD_MARGIN_S = 1.5
LAST_WORDS_S = 0.5

# Which of what runs on a machine is ours: in the environment of the guard and of all of vLLM.
MARK = "CASEMATE_ENGINE_OF"

# Must not reach vLLM: ways out, our own settings, and switches of its own that nobody planned.
_KEPT_FROM_VLLM = re.compile(
    r"(?i)(.*_proxy|CASEMATE_.*|VLLM_.*|HF_.*|HUGGING_FACE_.*|HUGGINGFACE_.*|OTEL_.*|PYTHON.*|RAY_.*)$"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def engine_environment(
    inherited: Mapping[str, str], planned: Mapping[str, str], *, api_key: str, mark: str
) -> dict[str, str]:
    """What vLLM gets: the machine's own variables, then the plan's, then the key."""
    kept = {name: value for name, value in inherited.items() if not _KEPT_FROM_VLLM.match(name)}
    return {**kept, **planned, "VLLM_API_KEY": api_key, MARK: mark, "PYTHONUNBUFFERED": "1"}


def watched_environment(ledger: Path, *, host: str) -> dict[str, str]:
    """What has each of vLLM's processes refuse and keep its ways out; `host` is served at."""
    return {
        "PYTHONPATH": str(Path(sitecustomize.__file__).parent),
        sitecustomize.LEDGER: str(ledger),
        sitecustomize.HOST: host,
    }


def own_environment() -> dict[str, str]:
    """This process's environment, for `engine_environment`."""
    return dict(os.environ)


class Engine:
    """A running vLLM behind its guard; made by `start`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        *,
        output: asyncio.StreamReader,
        pipe: asyncio.ReadTransport,
        on_line: Callable[[str], None],
        grace_s: float,
    ) -> None:
        self._process = process
        self._output = output
        self._pipe = pipe
        self._on_line = on_line
        self._grace_s = grace_s
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        command: tuple[str, ...],
        *,
        environment: Mapping[str, str],
        folder: Path,
        on_line: Callable[[str], None],
        grace_s: float,
    ) -> "Engine":
        """Starts `command` in a session of its own; call it from the main thread.

        The kernel ends the guard, and the guard vLLM, with the thread that started it. `grace_s` is
        what vLLM gets to end by itself.
        """
        # A pipe of our own: with asyncio's, the end of a killed guard would be seen only once all
        # that holds the pipe has ended too, and that is what its end is to bring about.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guard.__file__),
                *(str(os.getpid()), str(grace_s), "--", *command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                env=dict(environment),
                cwd=folder,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        output, pipe = await _reader_of(reading)
        return cls(process, output=output, pipe=pipe, on_line=on_line, grace_s=grace_s)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    def api_pid(self) -> int | None:
        """The guard's only child, vLLM's API process; None before it is born and after its end."""
        guarded = self._process.pid
        try:
            children = Path(f"/proc/{guarded}/task/{guarded}/children").read_text()
        except OSError:
            return None
        return int(children.split()[0]) if children.strip() else None

    async def ends_within(self, seconds: float) -> bool:
        """Waits for the end; False when the time was over first."""
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            return False
        # What it said last explains its end; the pipe may be read a little later than the end seen.
        await asyncio.wait({self._reader}, timeout=LAST_WORDS_S)
        return True

    async def stop(self) -> bool:
        """Ends all of it; returns whether nothing is left. May be called after its own end too."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            await self.ends_within(self._grace_s + GUARD_MARGIN_S)
        # What is left when the guard itself was killed, or hung.
        is_empty = await asyncio.to_thread(
            guard.kill_session, self._process.pid, within_s=self._grace_s
        )
        await self._process.wait()
        # Something outside the session may still hold the pipe: what it says is not waited for.
        await asyncio.wait({self._reader}, timeout=LAST_WORDS_S)
        self._reader.cancel()
        await asyncio.wait({self._reader})
        self._pipe.close()
        return is_empty

    async def _read(self) -> None:
        rest = b""
        while chunk := await self._output.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > MAX_LINE_CHARS:
                self._take(rest)
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, raw: bytes) -> None:
        line = _COLOURS.sub("", raw.decode(errors="replace")).rstrip()[:MAX_LINE_CHARS]
        if line:
            self.last_lines.append(line)
            self._on_line(line)


async def _reader_of(handle: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(handle, "rb"))
    return reader, pipe


def leftovers(mark: str) -> list[int]:
    """Processes of an earlier life of this server: those whose environment carries its mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def end_leftovers(mark: str) -> int:
    """Kills them; returns how many there were. Only for a server that holds its state's lock."""
    pids = leftovers(mark)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)
