"""A home that runs on a stand-in for an engine, with a model, and a pip that finds any wheel."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.config import Config
from install.containers.engine import Engine, find
from install.places import Places
from tests.fakes import docker_engine
from tests.fakes.docker_engine import FakeEngine

PIP = """#!/bin/sh
# Stands in for `python -m pip download …`: puts one wheel into the folder after --dest.
while [ "$1" != --dest ]; do shift; done
echo "Collecting stand-in"
echo wheel > "$2/stand_in-1-py3-none-any.whl"
"""
SMALL = "a-small-model"
NO_BYTES = dict.fromkeys(
    ("lockdown", "instance", "gateway", "model-server cpu", "model-server cuda", "toolbox"), 1
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """An engine that has the base images; DOCKER_HOST and PATH lead to it."""
    # A socket's path may have 107 bytes, and pytest's folders are long.
    folder = Path(tempfile.mkdtemp(prefix="cm-"))
    fake = FakeEngine(folder=folder)
    fake.info["DockerRootDir"] = str(folder)
    fake.add_image("python:3.11-slim-bookworm")
    fake.add_image("python:3.11-bookworm")
    fake.write_client(folder / "bin")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{fake.socket}")
    server = docker_engine.serve(fake)
    yield fake
    fake.close()
    server.shutdown()
    server.server_close()
    shutil.rmtree(folder)


@pytest.fixture
def found(engine: FakeEngine) -> Engine:
    """The engine as the installer finds it."""
    assert engine.socket.exists()
    return find(os.environ)


@pytest.fixture
def containers_config(config: Config) -> Config:
    """Settings of a home that runs as containers."""
    return Config(
        instance_port=config.instance_port, gateway_port=config.gateway_port, containers=True
    )


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    """A folder that looks like a model and that everybody may read."""
    folder = tmp_path / SMALL
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("weights")
    return folder


@pytest.fixture
def ready_home(places: Places, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A home whose program is there; its pip finds any wheel."""
    (places.services / "bin").mkdir(parents=True)
    program = places.services / "bin" / "python"
    program.write_text(PIP)
    program.chmod(0o755)
    places.containers.mkdir()
    monkeypatch.setattr("install.preflight.machine.MEMORY_BYTES", 0)
    monkeypatch.setattr("install.containers.making.BUILD_BYTES", NO_BYTES)
    return places
