"""What the engine knows of the containers of one project, and waiting until they are healthy."""

import io
import tarfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from install.containers.client import translated
from install.containers.errors import UnhealthyError
from install.containers.machine import PROJECT_LABEL
from install.readiness import MODEL_ATTEMPTS, POLL_S, Clock
from install.services import MODEL_SERVER
from install.status import ModelState, parse_models

SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
LOG_LINES = 12
MODEL_STATE = "/var/lib/casemate/model_server/state.json"
# Three times is no accident: the engine would go on restarting it for ever.
RESTARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One service's container; `health` is empty where it has no check."""

    identity: str
    service: str
    image: str
    status: str
    health: str
    pid: int
    restarts: int
    exit_code: int
    since: int

    @property
    def is_up(self) -> bool:
        """Whether the engine runs it, or is about to again."""
        return self.status in {"running", "restarting", "paused"}

    @property
    def word(self) -> str:
        """How it stands, for people."""
        if self.status == "running":
            return {"healthy": "ready", "": "ready", "starting": "starting"}.get(
                self.health, self.health
            )
        if self.status == "restarting":
            return "failing"
        return "stopped" if self.status in {"exited", "created", "dead"} else self.status


class Containers:
    """The containers of one project."""

    def __init__(self, client: docker.DockerClient, project: str) -> None:
        self._client = client
        self._project = project

    def services(self) -> dict[str, Container]:
        """Each service's container, stopped ones too, without those of single commands."""
        found = {}
        for each in self._list(one_off=False):
            container = _read(each.attrs)
            found[container.service] = container
        return found

    def _list(self, *, one_off: bool) -> list[Any]:
        labels = [f"{PROJECT_LABEL}={self._project}", f"{ONE_OFF_LABEL}={one_off}"]
        with translated():
            found: list[Any] = self._client.containers.list(
                all=True, filters={"label": labels}, ignore_removed=True
            )
        return found

    def remove_one_offs(self) -> None:
        """Removes what interrupted single commands left."""
        self._remove(one_off=True)

    def _remove(self, *, one_off: bool) -> None:
        for each in self._list(one_off=one_off):
            with translated(), suppress(NotFound):
                each.remove(force=True)

    def make_volume(self, name: str) -> None:
        """Makes one that the project's label leads to, under the name that compose gives it."""
        labels = {PROJECT_LABEL: self._project}
        with translated():
            self._client.api.create_volume(f"{self._project}_{name}", labels=labels)

    def remove_all(self) -> None:
        """Removes every container of the project, running or not, and then its volumes.

        Networks are left.
        """
        self.remove_one_offs()
        self._remove(one_off=False)
        self.remove_volumes()

    def remove_volumes(self) -> None:
        """Removes the project's volumes, which no container may use any more."""
        of_project = {"label": f"{PROJECT_LABEL}={self._project}"}
        with translated():
            for volume in self._client.api.volumes(filters=of_project)["Volumes"] or ():
                with suppress(NotFound):
                    self._client.api.remove_volume(volume["Name"], force=True)

    def last_lines(self, container: Container, *, count: int = LOG_LINES) -> list[str]:
        """The end of a container's log; nothing for one that is gone by now."""
        try:
            said: bytes = self._client.api.logs(container.identity, tail=count)
        except (DockerException, RequestException):
            return []
        return said.decode("utf-8", "replace").splitlines()

    def read_file(self, container: Container, path: str) -> bytes | None:
        """A file of a container, stopped or not; None when there is none."""
        try:
            blocks, _ = self._client.api.get_archive(container.identity, path)
            with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as archive:
                member = archive.extractfile(archive.next() or "")
                return member.read() if member else None
        except (DockerException, RequestException, tarfile.TarError, KeyError):
            return None

    def models(self, server: Container) -> tuple[ModelState, ...]:
        """What the model server last wrote of its models; empty before its first word."""
        return parse_models(self.read_file(server, MODEL_STATE) or b"")


def _read(attrs: dict[str, Any]) -> Container:
    state = attrs["State"]
    running = state["Status"] == "running"
    return Container(
        identity=attrs["Id"],
        service=attrs["Config"]["Labels"][SERVICE_LABEL],
        image=attrs["Config"]["Image"],
        status=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        pid=int(state.get("Pid") or 0),
        restarts=int(attrs.get("RestartCount") or 0),
        exit_code=int(state.get("ExitCode") or 0),
        since=_epoch(state["StartedAt"]) if running else 0,
    )


def _epoch(text: str) -> int:
    # The engine writes nanoseconds, which Python does not read.
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Waits for services; `wanted` says how many seconds each may take.

    `before` are the restarts that containers had already had.
    """

    containers: Containers
    wanted: Mapping[str, float]
    before: Mapping[str, int]
    say: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)

    def until_healthy(self) -> None:
        """Returns when all are healthy.

        Raises:
            UnhealthyError: one is not, in time or for good; with the end of its log.
        """
        began = self.clock.now()
        while not self.look(waited_s=self.clock.now() - began):
            self.clock.sleep(POLL_S)

    def look_at_new(self) -> None:
        """Looks once, while those that ran before may be about to be replaced.

        Raises:
            UnhealthyError: a new one is lost.
        """
        self.look(spared=self.before)

    def look(self, *, waited_s: float = 0.0, spared: Collection[str] = ()) -> bool:
        """Looks once; returns whether all are healthy, those that are `spared` or not.

        Raises:
            UnhealthyError: one is lost, or took longer than it may.
        """
        found = self.containers.services()
        server = found.get(MODEL_SERVER)
        models = self.containers.models(server) if server and server.word != "ready" else ()
        words = {name: found[name].word if name in found else "missing" for name in self.wanted}
        told = [f"{each.ref} {each.state}" for each in models]
        self.say(" · ".join([*told, *(f"{name} {word}" for name, word in words.items())]))
        for name, patience_s in self.wanted.items():
            container = found.get(name)
            if container is None or container.identity in spared:
                continue
            lost = self._lost(container) or (name == MODEL_SERVER and _failed(container, models))
            if lost or (waited_s > patience_s and words[name] != "ready"):
                lines = self.containers.last_lines(container)
                raise UnhealthyError(name, lost or words[name], lines)
        return set(words.values()) == {"ready"}

    def check_up(self) -> None:
        """Passes when each of the services runs and did not have to be started again.

        Raises:
            UnhealthyError: one does not.
        """
        found = self.containers.services()
        for name in self.wanted:
            container = found.get(name)
            if container is not None and self._is_down(container):
                lines = self.containers.last_lines(container)
                raise UnhealthyError(name, f"{container.word} ({container.exit_code})", lines)

    def _is_down(self, container: Container) -> bool:
        was = self.before.get(container.identity, 0)
        return container.status != "running" or container.restarts > was

    def _lost(self, container: Container) -> str:
        # The engine calls one that it stops unhealthy, too.
        if container.status == "running" and container.health == "unhealthy":
            return "unhealthy"
        tries = container.restarts - self.before.get(container.identity, 0)
        if tries >= RESTARTS:
            return f"restarted {tries} times and ends with {container.exit_code}"
        return ""


def _failed(server: Container, models: Sequence[ModelState]) -> str:
    for model in models:
        # What the last run wrote at its end still lies there while the next one begins.
        is_of_now = server.status == "running" and model.since >= server.since
        if is_of_now and (model.state == "failed" or model.restarts >= MODEL_ATTEMPTS):
            return f"not able to start {model.ref} ({model.reason or 'it does not say why'})"
    return ""
