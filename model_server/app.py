"""Joins the parts: one watch for each model of the list, until the process is told to end."""

import asyncio
import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from model_server import hardware, launch
from model_server.credentials import read_api_key
from model_server.errors import AlreadyRunningError, PortTakenError, SettingsInvalidError
from model_server.plan import Place, Plan, plan_model
from model_server.probe import Probe
from model_server.settings import Settings
from model_server.specs import ModelSpec, read_models
from model_server.state import Condition, ModelState, StateFile
from model_server.watch import Timing, Watch
from model_server.weights import examine, verify_digests

# Of the eight seconds in which all of vLLM must be gone; it takes 0.3 s when it is well.
STOP_GRACE_S = 4.0
HIGHEST_PORT = 65535

_log = structlog.get_logger()


class ModelServer:
    """Everything that the running models share."""

    def __init__(self, settings: Settings, specs: tuple[ModelSpec, ...], *, api_key: str) -> None:
        self._settings = settings
        self._api_key = api_key
        self._specs = specs
        self._folder = settings.state_folder
        self._mark = str(self._folder.resolve())
        self._states = StateFile(
            self._folder / "state.json",
            tuple(
                ModelState(ref=spec.ref, port=settings.model_port + number)
                for number, spec in enumerate(specs)
            ),
        )

    async def run(self, *, until: asyncio.Event) -> None:
        """Starts the models one after the other and keeps them running; ends with none left."""
        killed = await asyncio.to_thread(launch.end_leftovers, self._mark)
        if killed:
            _log.warning("leftovers_ended", processes=killed)
        turn = asyncio.Lock()
        probes = [self._probe(spec) for spec in self._specs]
        watches = [
            asyncio.create_task(self._watch(spec, probe=probe, turn=turn).run())
            for spec, probe in zip(self._specs, probes, strict=True)
        ]
        ending = asyncio.create_task(until.wait())
        try:
            # A watch never ends by itself: one that does has met a defect, and the process ends
            # with it so that its supervisor starts a whole one.
            done, _ = await asyncio.wait({ending, *watches}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {ending}:
                task.result()
        finally:
            for task in (ending, *watches):
                task.cancel()
            await asyncio.gather(ending, *watches, return_exceptions=True)
            for probe in probes:
                await probe.aclose()
            self._note_the_end()

    def _note_the_end(self) -> None:
        for spec in self._specs:
            ended = replace(
                self._states.get(spec.ref),
                state=Condition.FAILED,
                pid=None,
                reason="The model server was stopped.",
            )
            self._states.put(ended, now=int(time.time()))

    def _watch(self, spec: ModelSpec, *, probe: Probe, turn: asyncio.Lock) -> Watch:
        async def start() -> launch.Engine:
            return await self._start(spec)

        return Watch(
            spec.ref,
            start=start,
            questions=probe,
            states=self._states,
            turn=turn,
            timing=Timing(start_limit_s=self._settings.model_start_limit_s),
        )

    def _probe(self, spec: ModelSpec) -> Probe:
        host = reachable_host(self._settings.model_host)
        url = f"http://{host}:{self._states.get(spec.ref).port}"
        return Probe(url, ref=spec.ref, api_key=self._api_key)

    async def _start(self, spec: ModelSpec) -> launch.Engine:
        port = self._states.get(spec.ref).port
        check_port(self._settings.model_host, port)
        left = sum(self._states.get(one.ref).state is not Condition.READY for one in self._specs)
        planned = await asyncio.to_thread(
            plan_one, self._settings, spec, port=port, models_left=left
        )
        log = _log.bind(model=spec.ref)
        log.info("model_planned", arguments=planned.arguments, needed_bytes=planned.needed_bytes)

        def pass_on(line: str) -> None:
            log.info("engine_line", line=line.replace(self._api_key, "***"))

        return await launch.Engine.start(
            (*self._settings.model_command, *planned.arguments),
            environment=launch.engine_environment(
                launch.own_environment(),
                planned.environment
                | launch.watched_environment(
                    self._settings.egress_folder / "vllm.jsonl", host=self._settings.model_host
                ),
                api_key=self._api_key,
                mark=self._mark,
            ),
            folder=self._folder,
            on_line=pass_on,
            grace_s=STOP_GRACE_S,
        )


def plan_one(settings: Settings, spec: ModelSpec, *, port: int, models_left: int) -> Plan:
    """Checks the model's folder and plans it on the machine as it is now.

    Raises:
        ModelServerError: the folder, the processor or the memory will not do.
    """
    verify_digests(spec.path)
    place = Place(
        host=settings.model_host,
        port=port,
        cache_folder=settings.state_folder / "cache",
        gpu_memory_fraction=settings.model_gpu_memory_fraction,
        models_left=models_left,
    )
    return plan_model(spec, examine(spec.path), machine=hardware.look(), place=place)


def plan_all(settings: Settings) -> dict[str, Plan]:
    """The plan of each listed model, by its ref, each as if it were started first."""
    specs = read_list(settings)
    return {
        spec.ref: plan_one(
            settings, spec, port=settings.model_port + number, models_left=len(specs)
        )
        for number, spec in enumerate(specs)
    }


def read_list(settings: Settings) -> tuple[ModelSpec, ...]:
    """The listed models.

    Raises:
        ModelListInvalidError: the list cannot be used.
        SettingsInvalidError: there are more models than ports.
    """
    specs = read_models(settings.models_list)
    if settings.model_port + len(specs) - 1 > HIGHEST_PORT:
        problem = "CASEMATE_MODEL_PORT: not enough ports above it for all models"
        raise SettingsInvalidError((problem,))
    return specs


def check_port(host: str, port: int) -> None:
    """Passes when nothing listens there; else another program would answer in the model's name.

    Raises:
        PortTakenError: it is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        # As vLLM does; connections of the engine before may still be closing.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except OSError as cause:
            raise PortTakenError(port) from cause


def reachable_host(host: str) -> str:
    """The host part of a URL that reaches a server bound to `host` from this machine."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # compared with, not bound to
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104
    return f"[{host}]" if ":" in host else host


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the state folder for this process; the kernel lets go of it when the process ends.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            raise AlreadyRunningError from cause
        yield
    finally:
        os.close(handle)


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT.

    Raises:
        ModelServerError: settings, list, key or state folder cannot be used; nothing was started.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    with held(settings.state_folder):
        specs = read_list(settings)
        key = read_api_key(settings.api_key_file, is_mounted=settings.secrets_mounted)
        server = ModelServer(settings, specs, api_key=key)
        _log.info("model_server_started", models=[spec.ref for spec in specs])
        await server.run(until=ending)
    _log.info("model_server_ended")
