"""compose.yaml is valid alone and with every override and profile; asks no engine."""

import itertools
from pathlib import Path

import pytest

from tests.system.containers.idle import CLONE
from tests.system.containers.machine import Machine
from tests.system.containers.prepared import Prepared

OVERRIDES = ("", "model_server/compose.gpu.yaml", "model_server/compose.gpus.yaml")
PROFILES = ("", "postgres")


@pytest.fixture
def engineless(prepared: Prepared, tmp_path: Path) -> Machine:
    """Switched off; what is run beside it finds the compose plugin and no engine."""
    return Machine(folder=tmp_path, prepared=prepared)


@pytest.mark.parametrize(("override", "profile"), list(itertools.product(OVERRIDES, PROFILES)))
def test_every_combination_is_valid(override: str, profile: str, engineless: Machine) -> None:
    files = [
        word for name in ("compose.yaml", override) if name for word in ("-f", str(CLONE / name))
    ]
    profiles = ["--profile", profile] if profile else []
    done = engineless.run("docker", "compose", *files, *profiles, "config", "--quiet", cwd=CLONE)
    assert done.stdout + done.stderr == ""
