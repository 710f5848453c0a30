"""One private engine for all tests here, an outside world, and the project's images built once."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.containers.machine import Machine
from tests.system.containers.outside import (
    ADDRESS,
    LISTENER,
    PORT,
    Notes,
    Outside,
)
from tests.system.containers.prepared import NoEngineError, Prepared, prepare

BASE = "casemate-tests/base:1"


def unavailable(missing: NoEngineError) -> None:
    """Skips loudly on a developer's machine, and fails where all must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"engine tests cannot run: {missing}", pytrace=False)
    pytest.skip(f"ENGINE TESTS NOT RUN: {missing}")


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    try:
        return prepare()
    except NoEngineError as missing:
        unavailable(missing)
        raise


@pytest.fixture(scope="session")
def short_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's socket lies in it, and a socket's path has at most 107 bytes."""
    return tmp_path_factory.mktemp("e")


@pytest.fixture(scope="session")
def machine(prepared: Prepared, short_tmp: Path) -> Iterator[Machine]:
    """A running engine that has the base image, on a machine with a cable to the outside."""
    made = Machine(folder=short_tmp, prepared=prepared, options=("--dns", ADDRESS))
    try:
        made.switch_on()
        made.start()
    except NoEngineError as missing:
        made.switch_off()
        unavailable(missing)
    made.docker("import", str(prepared.base_image), BASE)
    yield made
    made.switch_off()


@pytest.fixture(scope="session")
def outside(machine: Machine) -> Iterator[Outside]:
    """What a container that gets out would meet."""
    made = Outside(machine=machine, notes=Notes(machine.folder / "outside.jsonl"))
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture(scope="session")
def host_service(machine: Machine) -> Notes:
    """A service of the host that listens on every address, as careless ones do."""
    notes = Notes(machine.folder / "host.jsonl")
    notes.path.touch()
    machine.stays(sys.executable, str(LISTENER), str(notes.path), str(PORT))
    return notes
