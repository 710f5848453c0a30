import os
import subprocess
import sys
from pathlib import Path

import pytest

from install.places import Places
from install.preflight import probes
from install.preflight.probes import MIB


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def say(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_disks_speed_is_measured_and_nothing_left(tmp_path: Path) -> None:
    found = probes.disk_speed(tmp_path / "not there")
    assert found
    assert min(found.written, found.read) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_nothing_has_no_speed() -> None:
    assert probes.disk_speed(Path("/proc/self")) is None


def test_gpus_without_figures_are_left_out(programs: Path) -> None:
    say(programs, "nvidia-smi", "echo '0, L40S, 100, 60, 580.1\n1, H200, [N/A], [N/A], 580.1'")
    (found,) = probes.gpus()
    assert (found.memory_bytes, found.free_bytes, found.driver) == (100 * MIB, 60 * MIB, "580.1")


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("echo 'OpenSSL 3.0.19 27 Jan 2026'", (3, 0, 19)),
        ("echo LibreSSL 3.3", None),
        ("exit 1", None),
    ],
)
def test_openssl_is_asked_for_its_version(
    said: str, version: tuple[int, ...] | None, programs: Path
) -> None:
    say(programs, "openssl", said)
    assert probes.openssl_version() == version


@pytest.mark.parametrize(("said", "kept"), [("yes", True), ("no", False), ("", None)])
def test_systemd_tells_who_keeps_the_clock(said: str, programs: Path, *, kept: bool | None) -> None:
    say(programs, "timedatectl", f"echo {said}")
    assert probes.is_clock_kept() is kept


@pytest.mark.usefixtures("programs")
def test_programs_that_are_not_here_say_nothing() -> None:
    assert probes.gpus() == ()
    assert probes.openssl_version() is None
    assert probes.is_clock_kept() is None


def test_running_services_hold_memory(places: Places) -> None:
    assert probes.held_bytes(places.home) == 0
    with subprocess.Popen(
        [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"],
        env={**os.environ, "CASEMATE_RUN": str(places.home)},
        stdout=subprocess.PIPE,
    ) as service:
        assert service.stdout
        service.stdout.readline()
        assert 10**6 < probes.held_bytes(places.home) < probes.total_memory()
        service.kill()
