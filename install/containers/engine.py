"""Finds the engine and the compose plugin, with the standard library alone.

The bootstrap checks them before it puts anything on the machine, when no library is there yet; a
bundle does so with a Python as old as 3.9.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from install.containers.errors import (
    ComposeMissingError,
    EngineForbiddenError,
    EngineMissingError,
    EngineUnfitError,
)

# 20.10 is the oldest that Debian still supports; compose 2.20 knows `depends_on: required`.
OLDEST_API = (1, 41)
OLDEST_COMPOSE = (2, 20)
TIMEOUT_S = 20.0
SCHEME = "unix://"
INSTALL_IT = "install Docker Engine 20.10 or newer with its compose plugin"


@dataclass(frozen=True)
class Engine:
    """A reachable engine on this machine; `facts` is what its /info says."""

    socket: Path
    version: str
    compose: str
    facts: Mapping[str, Any] = field(repr=False)

    @property
    def address(self) -> str:
        """As DOCKER_HOST has it."""
        return f"{SCHEME}{self.socket}"

    @property
    def is_rootless(self) -> bool:
        """Whether root in a container is the engine's own user outside."""
        return any("rootless" in str(each) for each in self.facts.get("SecurityOptions") or ())

    def ask(self, path: str) -> Any:
        """The JSON that the engine answers to a GET."""
        return _get(self.socket, path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def find(environment: Mapping[str, str]) -> Engine:
    """The engine that `docker` would use with this environment, once it is known to do.

    Raises:
        EngineMissingError: there is none, or it does not answer.
        EngineForbiddenError: this user may not use it.
        EngineUnfitError: it is too old, elsewhere, or of another kind.
        ComposeMissingError: the plugin is missing or too old.
    """
    if shutil.which("docker", path=environment.get("PATH")) is None:
        sentence = f"The program docker is not here; {INSTALL_IT}."
        raise EngineMissingError(sentence)
    path = _socket_of(_host(environment))
    said = _get(path, "/version")
    if _numbers(str(said.get("ApiVersion"))) < OLDEST_API:
        sentence = (
            f"The engine at {path} is {said.get('Version')} (API {said.get('ApiVersion')}); "
            "20.10 (API 1.41) or newer is needed."
        )
        raise EngineUnfitError(sentence)
    compose = _compose_version(environment)
    facts = _get(path, "/info")
    if facts.get("OSType") != "linux":
        sentence = f"The engine at {path} runs no Linux containers."
        raise EngineUnfitError(sentence)
    return Engine(socket=path, version=str(said.get("Version")), compose=compose, facts=facts)


def _host(environment: Mapping[str, str]) -> str:
    # The order of the client itself: the variable wins over a context.
    told = environment.get("DOCKER_HOST")
    if told:
        return told
    words = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    done = _run(words, environment)
    if done.returncode != 0:
        sentence = f"Docker's context cannot be read: {' '.join(done.stderr.split())[-300:]}"
        raise EngineMissingError(sentence)
    return done.stdout.strip()


def _socket_of(host: str) -> Path:
    if not host.startswith(SCHEME):
        # Its volumes, ports and firewall are another machine's.
        sentence = f"The engine at {host} is reached over a network; one on this machine is needed."
        raise EngineUnfitError(sentence)
    return Path(host.removeprefix(SCHEME))


def _get(path: Path, what: str) -> Any:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", what)
        return json.loads(connection.getresponse().read())
    except (FileNotFoundError, ConnectionRefusedError):
        sentence = f"No engine answers at {path}; start it (`systemctl start docker`), or "
        sentence += f"{INSTALL_IT}."
        raise EngineMissingError(sentence) from None
    except PermissionError:
        raise EngineForbiddenError(path) from None
    except (OSError, http.client.HTTPException, ValueError) as cause:
        sentence = f"The engine at {path} does not answer as one: {cause!r}."
        raise EngineMissingError(sentence) from cause
    finally:
        connection.close()


def _compose_version(environment: Mapping[str, str]) -> str:
    done = _run(["docker", "compose", "version", "--short"], environment)
    found = done.stdout.strip().removeprefix("v")
    wanted = ".".join(map(str, OLDEST_COMPOSE))
    if done.returncode != 0 or not _numbers(found):
        sentence = f"Docker's compose plugin is not here; install it, {wanted} or newer."
        raise ComposeMissingError(sentence)
    if _numbers(found) < OLDEST_COMPOSE:
        sentence = f"Docker's compose plugin is {found}; {wanted} or newer is needed."
        raise ComposeMissingError(sentence)
    return found


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(int(each) for each in found.groups()) if found else ()


def _run(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sentence = f"`{' '.join(words)}` does not come back."
        raise EngineMissingError(sentence) from None
