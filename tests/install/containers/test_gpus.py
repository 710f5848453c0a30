from dataclasses import replace
from pathlib import Path

import pytest

from install.config import Config
from install.containers import gpus
from install.containers.engine import Engine
from install.containers.errors import GpuMissingError
from install.containers.gpus import choose

ENGINE = Engine(socket=Path("/s"), version="28", compose="2.40", facts={"Runtimes": {"runc": {}}})
WITH_GPUS = replace(ENGINE, facts={"Runtimes": {"runc": {}, "nvidia": {}}})


@pytest.fixture(autouse=True)
def no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "HOOK", "no-such-program")


def test_a_machine_without_a_gpu_uses_its_cpu() -> None:
    assert choose(Config(), WITH_GPUS, list_gpus=lambda: ()).kind == "cpu"
    assert choose(Config(), WITH_GPUS, list_gpus=lambda: None).kind == "cpu"
    assert choose(Config(device="cpu"), WITH_GPUS, list_gpus=lambda: ("0",)).gpus is None


def test_all_gpus_are_used_when_nothing_else_is_said() -> None:
    found = choose(Config(), WITH_GPUS, list_gpus=lambda: ("0", "1"))
    assert (found.kind, found.gpus, found.note) == ("cuda", "all", None)
    assert choose(Config(gpus="1"), WITH_GPUS, list_gpus=lambda: ("0", "1")).gpus == "1"
    assert choose(Config(gpus="1"), WITH_GPUS, list_gpus=lambda: None).gpus == "1"


@pytest.mark.parametrize("asked", [Config(gpus="all"), Config(device="cuda")])
def test_a_gpu_that_was_asked_for_and_cannot_be_given_is_an_error(asked: Config) -> None:
    with pytest.raises(GpuMissingError, match="container toolkit"):
        choose(asked, ENGINE, list_gpus=lambda: ("0",))


def test_a_gpu_that_nobody_asked_for_and_cannot_be_given_is_a_note() -> None:
    found = choose(Config(), ENGINE, list_gpus=lambda: ("0",))
    assert found.kind == "cpu"
    assert "This machine has a GPU" in str(found.note)


@pytest.mark.parametrize(
    ("here", "said"), [(("0", "1"), "GPU 3 was asked for; there are 0, 1"), ((), "there is none")]
)
def test_a_gpu_that_is_not_there_is_named(here: tuple[str, ...], said: str) -> None:
    with pytest.raises(GpuMissingError, match=said):
        choose(Config(gpus="0,3" if here else "all"), WITH_GPUS, list_gpus=lambda: here)


def test_devices_described_for_the_engine_count(tmp_path: Path) -> None:
    described = replace(ENGINE, facts={"CDISpecDirs": [str(tmp_path)]})
    assert not gpus.can_hand_out(described)
    (tmp_path / "nvidia.yaml").touch()
    assert gpus.can_hand_out(described)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("echo 'GPU 0: NVIDIA H200 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H200'", ("0", "1")),
        ("exit 9", ()),
        (None, None),
    ],
)
def test_gpus_are_counted_by_nvidias_program(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str | None,
    found: tuple[str, ...] | None,
) -> None:
    if program:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.gpus_here() == found
