"""An instance and a gateway over a copied home, beside the running ones and on ports of their own.

They ask the model server that runs already. Nothing that they do reaches the home they are a copy
of.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from install import contents, services
from install.api import instance, is_ready
from install.config import LOOPBACK, Config, save
from install.contents import Run
from install.errors import NotReadyError
from install.first_question import FEED_PATIENCE_S, FIRST_ANSWER_TOKENS, FIRST_QUESTION
from install.places import Places, make_folders
from install.question import Answer, Question, ask_when_ready
from install.question import ask as ask_gateway
from install.services import INSTANCE, Service
from install.status import READINESS
from install.weights import Model

READY_PATIENCE_S = 90.0
END_PATIENCE_S = 10.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What runs beside: its home, and the settings that it is asked with."""

    places: Places
    settings: Config

    def ask(self, ref: str, text: str = FIRST_QUESTION) -> Answer:
        """One question through the instance and the gateway that run beside.

        Raises:
            InstallError: there was no answer.
        """
        with instance(self.settings.instance_url, contents.token_file(self.places)) as asked:
            token = asked.mint()
        question = Question(text=text, model=ref, max_tokens=FIRST_ANSWER_TOKENS)
        return ask_when_ready(
            lambda: ask_gateway(self.settings.gateway_url, token, question),
            patience_s=FEED_PATIENCE_S,
        )


@contextmanager
def running(places: Places, settings: Config, model: Model, *, python: Path) -> Iterator[Beside]:
    """Runs them while the block does; `places` is the copy, `settings` are the running ones'.

    The copy holds keys, credentials, the gateway's folder, the model server's API key and the
    database; `python` is the interpreter of the program to run.

    Raises:
        InstallError: they could not be set up, or do not become ready.
    """
    make_folders(places)
    here = settings_of(settings)
    save(places.config, here)
    planned = {
        service.name: replace(service, command=(str(python), *service.command[1:]))
        for service in services.plan(places, here)
        if service.name in READINESS
    }
    _set_up(places, planned, settings=settings, model=model)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for service in planned.values():
            started.append(_start(service, python))  # noqa: PERF401  # each is ended if the next fails
        _wait(planned, started)
        yield Beside(places=places, settings=here)
    finally:
        _end(started)


def settings_of(settings: Config) -> Config:
    """What the running ones' settings are for what runs beside them, on free ports of loopback."""
    instance_port, gateway_port, first, second = _free_ports(4)
    told = {k: v for k, v in settings.handed_on.items() if not k.endswith("_PUBLIC_URL")}
    # A database server is not copied with the home, and must not be worked on from here.
    told.pop("CASEMATE_DATABASE_URL", None)
    plain = replace(settings, tls=False, cert=None, key=None, ca=None, tls_told={}, tls_reached={})
    return replace(
        plain,
        listen=LOOPBACK,
        handed_on=told,
        containers=False,
        systemd=False,
        instance_port=instance_port,
        gateway_port=gateway_port,
        instance_metrics_port=first,
        gateway_metrics_port=second,
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def _set_up(places: Places, planned: dict[str, Service], *, settings: Config, model: Model) -> None:
    site = contents.Site(
        password_file=str(contents.password_file(places)),
        token_file=str(contents.token_file(places)),
        api_key_file=str(contents.api_key_file(places)),
        instance_url=planned[INSTANCE].address,
        model_url=settings.model_url,
    )
    run: Run = contents.runner(planned)
    contents.set_up(run, site, model, to_order=None)


def _start(service: Service, python: Path) -> subprocess.Popen[bytes]:
    with service.log.open("ab") as log:
        return subprocess.Popen(
            [str(python), "-P", "-m", "install.leash", "--", *service.command],
            env={**services.base_environment(os.environ), **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(
    planned: dict[str, Service],
    started: list[subprocess.Popen[bytes]],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    until = time.monotonic() + READY_PATIENCE_S
    for name, service in planned.items():
        while not is_ready(f"{service.address}{READINESS[name]}", service.log.parent.parent):
            ended = any(each.poll() is not None for each in started)
            if ended or time.monotonic() > until:
                state = "ended" if ended else "is not ready"
                last = _last_line(service.log)
                sentence = f"Started beside the running one, the {name} {state}: {last}"
                raise NotReadyError(sentence)
            sleep(POLL_S)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").splitlines() or ["it said nothing"]
    return lines[-1][-300:]


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.terminate()
    for process in started:
        try:
            process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def copied_keys(source: Places, target: Places) -> None:
    """Copies what a second instance and gateway need beside the database, for their owner alone."""
    make_folders(target)
    for name in ("keys", "credentials", "gateway", "model_server"):
        _copy_folder(source.home / name, target.home / name)


def _copy_folder(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(copy, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(path.read_bytes())
