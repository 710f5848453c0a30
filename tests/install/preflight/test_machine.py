import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from install.config import Config
from install.errors import UnfitMachineError
from install.places import Places
from install.preflight import machine
from install.preflight.machine import Facts, problems

FIT = Facts(
    python=(3, 11),
    implementation="cpython",
    system="Linux",
    machine="x86_64",
    cpu_flags=frozenset({"avx2", "fma", "f16c", "sse2"}),
    has_venv=True,
    home=Path("/srv/casemate"),
    home_is_writable=True,
    socket_path_bytes=40,
    free_bytes=10_000_000_000,
    needed_bytes=5_000_000_000,
    memory_bytes=8_000_000_000,
    ports={"instance": 8080, "gateway": 5052},
    taken={},
)


def test_a_fit_machine_has_no_problems() -> None:
    assert problems(FIT, device="cpu") == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(FIT, python=(3, 12)), "CPython 3.11 is needed, this is cpython 3.12."),
        (replace(FIT, implementation="pypy"), "CPython 3.11 is needed, this is pypy 3.11."),
        (replace(FIT, has_venv=False), "python3.11-venv"),
        (replace(FIT, system="Darwin"), "Linux on x86_64 is needed, this is Darwin on x86_64."),
        (replace(FIT, machine="aarch64"), "this is Linux on aarch64."),
        (replace(FIT, cpu_flags=frozenset({"fma"})), "This CPU lacks avx2, f16c"),
        (replace(FIT, home=Path("/srv/a;b")), "choose another CASEMATE_HOME"),
        (replace(FIT, home=Path("/srv/a\nb")), "choose another CASEMATE_HOME"),
        (replace(FIT, home_is_writable=False), "/srv/casemate cannot be written"),
        (replace(FIT, socket_path_bytes=108), "longer than 107 bytes"),
        (replace(FIT, free_bytes=1), "0.0 GB free, 5.0 GB are needed."),
        (replace(FIT, memory_bytes=1), "0.0 GB of memory are free, about 3 GB are needed."),
        (
            replace(FIT, taken={5052: "is taken by process 7 (nginx)"}),
            "The gateway port 5052 is taken by process 7 (nginx); choose another with --gateway",
        ),
        (
            replace(FIT, ports={"instance": 80, "gateway": 80}),
            "instance and gateway cannot both listen on port 80.",
        ),
    ],
)
def test_each_thing_that_does_not_fit_is_one_sentence(facts: Facts, said: str) -> None:
    found = problems(facts, device="cpu")
    assert len(found) == 1
    assert said in found[0]


def test_all_problems_are_told_at_once() -> None:
    facts = replace(FIT, python=(3, 9), has_venv=False, free_bytes=0, home_is_writable=False)
    assert len(problems(facts, device="cpu")) == 4


def test_the_flag_for_a_metrics_port_is_one_that_exists() -> None:
    facts = replace(FIT, ports={"gateway metrics": 8082}, taken={8082: "is taken"})
    assert "--gateway-metrics-port" in problems(facts, device="cpu")[0]


def test_an_old_cpu_does_when_a_gpu_serves() -> None:
    assert problems(replace(FIT, cpu_flags=frozenset()), device="cuda") == []


def test_running_services_need_no_more_memory() -> None:
    assert problems(replace(FIT, memory_bytes=None), device="cpu") == []


@pytest.fixture
def taken(config: Config) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", config.gateway_port)):
        yield config.gateway_port


def test_a_port_held_by_another_program_is_found_with_its_name(
    places: Places, config: Config, taken: int
) -> None:
    found = machine.taken_ports(places.home, config)
    assert list(found) == [taken]
    assert "is taken by process" in found[taken]


def test_a_port_of_our_own_services_counts_as_free(places: Places, config: Config) -> None:
    listen = (
        "import socket, signal, sys\n"
        "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "print('up', flush=True)\n"
        "signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", listen, str(config.gateway_port)],
        env={**os.environ, "CASEMATE_RUN": str(places.home)},
        stdout=subprocess.PIPE,
    ) as service:
        assert service.stdout
        service.stdout.readline()
        assert machine.taken_ports(places.home, config) == {}
        assert config.gateway_port in machine.taken_ports(places.home.parent, config)
        service.kill()


def test_an_address_that_is_not_ours_is_told(places: Places, config: Config) -> None:
    found = machine.taken_ports(places.home, replace(config, listen="192.0.2.1"))
    assert "192.0.2.1 is no address of this machine" in found[config.instance_port]


def test_the_check_raises_with_every_problem(
    places: Places, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MEMORY_BYTES", 10**18)
    monkeypatch.setattr(machine, "RUNNING_BYTES", 10**18)
    with pytest.raises(UnfitMachineError) as caught:
        machine.check(places, config, device="cpu")
    assert len(caught.value.problems) == 2
    assert caught.value.exit_code == 2


def test_what_is_there_already_needs_no_more_disk(installed: Places, config: Config) -> None:
    needed = machine.needed_bytes(installed, config, device="cpu")
    assert needed == machine.RUNNING_BYTES


def test_a_new_home_needs_everything(places: Places, config: Config) -> None:
    needed = machine.needed_bytes(places, config, device="cpu")
    assert needed > machine.MODEL_SERVER_BYTES["cpu"]


def test_cpu_flags_are_those_of_the_first_core(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert machine.cpu_flags(cpuinfo) == {"fpu", "avx2"}
    assert machine.cpu_flags(tmp_path / "missing") == frozenset()


def test_a_containers_limit_bounds_the_free_memory(tmp_path: Path) -> None:
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 4000 kB\n")
    assert machine.free_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("3000\n")
    (group / "memory.current").write_text("1000\n")
    assert machine.free_memory(tmp_path) == 2000
    (group / "memory.max").write_text("max\n")
    assert machine.free_memory(tmp_path) == 4000 * 1024


@pytest.mark.parametrize(
    ("script", "device"),
    [("echo 'GPU 0: NVIDIA'", "cuda"), ("echo 'No devices found'", "cpu"), ("exit 9", "cpu")],
)
def test_nvidia_smi_decides_the_device(
    script: str, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.find_device("auto") == device
    assert machine.find_device("cpu") == "cpu"


def test_without_nvidia_smi_the_cpu_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.find_device("auto") == "cpu"
