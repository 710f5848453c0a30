import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from install.containers.engine import find
from install.containers.errors import (
    ComposeMissingError,
    EngineForbiddenError,
    EngineMissingError,
    EngineUnfitError,
)
from tests.fakes.docker_engine import FakeEngine


def test_an_engine_is_found_with_its_plugin(engine: FakeEngine) -> None:
    found = find(os.environ)
    assert (found.version, found.compose, found.socket) == ("20.10.24", "2.40.3", engine.socket)
    assert not found.is_rootless


def test_the_context_is_asked_when_no_variable_names_the_engine(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    assert find(os.environ).address == f"unix://{engine.socket}"


def environment(engine: FakeEngine, **changes: str) -> Mapping[str, str]:
    return {**os.environ, "DOCKER_HOST": f"unix://{engine.socket}", **changes}


def test_a_machine_without_docker_is_told_what_to_install(engine: FakeEngine) -> None:
    with pytest.raises(EngineMissingError, match=r"docker is not here; install Docker Engine 20"):
        find(environment(engine, PATH="/nowhere"))


def test_an_engine_that_is_not_running_is_told_how_to_start(
    engine: FakeEngine, tmp_path: Path
) -> None:
    with pytest.raises(EngineMissingError, match="systemctl start docker"):
        find(environment(engine, DOCKER_HOST=f"unix://{tmp_path}/none"))


def test_a_socket_of_somebody_else_is_told_as_one(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    # Root, who runs these tests on some machines, may open every socket.
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(EngineForbiddenError, match="member of the socket's group"):
        find(environment(engine))


def test_something_else_on_the_socket_is_no_engine(engine: FakeEngine, tmp_path: Path) -> None:
    path = engine.folder / "other"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        other.settimeout(5)
        client = {"DOCKER_HOST": f"unix://{path}"}
        other.close()
        with pytest.raises(EngineMissingError):
            find(environment(engine, **client))
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("version", "info", "said"),
    [
        ({"Version": "19.03.15", "ApiVersion": "1.40"}, {}, r"19\.03\.15 .API 1\.40.; 20\.10"),
        ({"Version": "28.0", "ApiVersion": "1.48"}, {"OSType": "windows"}, "no Linux"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused(
    engine: FakeEngine, version: dict[str, str], info: dict[str, str], said: str
) -> None:
    engine.version = version
    engine.info |= info
    with pytest.raises(EngineUnfitError, match=said):
        find(environment(engine))


def test_an_engine_of_another_machine_is_refused(engine: FakeEngine) -> None:
    with pytest.raises(EngineUnfitError, match="over a network"):
        find(environment(engine, DOCKER_HOST="tcp://10.0.0.1:2376"))


@pytest.mark.parametrize(
    ("compose", "said"), [(None, "is not here"), ("2.19.1", r"is 2\.19\.1; 2\.20 or newer")]
)
def test_a_missing_or_old_plugin_is_told(
    engine: FakeEngine, compose: str | None, said: str
) -> None:
    engine.compose = compose
    with pytest.raises(ComposeMissingError, match=said):
        find(environment(engine))
    engine.compose = "v2.20.0-desktop.1"
    assert find(environment(engine)).compose == "2.20.0-desktop.1"
