from datetime import UTC, datetime, timedelta

import pytest

from install.preflight import system
from install.preflight.probes import DiskSpeed
from tests.install.preflight.builders import WHEELS, a_manifest

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("release", "is_fit"),
    [("6.1.0-18-amd64", True), ("4.18.0-553.el8", True), ("4.15.0", False), ("odd", True)],
)
def test_an_old_kernel_is_a_problem(release: str, *, is_fit: bool) -> None:
    assert (system.kernel(release).problems == ()) is is_fit


def test_the_packages_say_which_c_library_they_need() -> None:
    needing = ["x-1-cp311-abi3-manylinux_2_31_x86_64.whl", *WHEELS]
    assert system.libc((2, 36), needing).state == "ok"
    assert (
        "glibc 2.28; the bundle's packages need 2.31" in system.libc((2, 28), needing).problems[0]
    )
    assert system.libc((), needing).found == "unknown"


@pytest.mark.parametrize(
    ("wheel", "needed"),
    [
        ("a-1-py3-none-any.whl", (0, 0)),
        ("a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl", (2, 27)),
        ("a-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", (2, 17)),
    ],
)
def test_a_wheel_with_several_tags_takes_the_oldest(wheel: str, needed: tuple[int, int]) -> None:
    assert system.needed_libc(wheel) == needed


@pytest.mark.parametrize(
    ("version", "said"), [((3, 0, 19), None), ((1, 1, 1), "1.1.1"), (None, "not here")]
)
def test_signatures_need_openssl_3(version: tuple[int, ...] | None, said: str | None) -> None:
    found = system.openssl(version).problems
    assert found == () if said is None else said in found[0]


@pytest.mark.parametrize(
    ("limit", "state"), [(1023, "problem"), (1024, "warning"), (4095, "warning"), (4096, "ok")]
)
def test_few_open_files_are_told(limit: int, state: str) -> None:
    assert system.open_files(limit).state == state


@pytest.mark.parametrize(
    ("written", "read", "state"),
    [(50e6, 50e6, "ok"), (49e6, 900e6, "warning"), (900e6, 49e6, "warning")],
)
def test_a_slow_disk_is_told(written: float, read: float, state: str) -> None:
    assert system.disk_speed(DiskSpeed(written=written, read=read)).state == state


def test_a_disk_that_cannot_be_written_is_not_measured() -> None:
    assert system.disk_speed(None).found == "not measured"


def test_a_clock_that_is_behind_is_a_problem() -> None:
    made = [("the bundle was made", NOW + timedelta(minutes=6))]
    found = system.clock(NOW, made, is_kept=None)
    assert (
        "says 2026-11-01 12:00 UTC, but the bundle was made at 2026-11-01 12:06"
        in (found.problems[0])
    )
    assert system.clock(NOW + timedelta(minutes=1), made, is_kept=True).state == "ok"
    assert "kept by nobody" in system.clock(NOW, [], is_kept=False).found


@pytest.mark.parametrize(
    ("architecture", "python", "are_containers", "said"),
    [
        ("x86_64", "3.11", False, None),
        ("aarch64", "3.11", False, "is for x86_64, this is aarch64"),
        ("x86_64", "3.12", False, "run it with python3.11"),
        ("x86_64", "3.12", True, "has no images"),
    ],
)
def test_a_bundle_is_for_one_kind_of_machine(
    architecture: str, python: str, said: str | None, *, are_containers: bool
) -> None:
    found = system.kind(
        a_manifest(), architecture=architecture, python=python, are_containers=are_containers
    ).problems
    assert len(found) == (said is not None)
    assert (said or "") in "".join(found)


def test_a_bundle_of_models_alone_is_not_applied() -> None:
    only_models = a_manifest({"models/tiny/config.json": 1})
    found = system.kind(only_models, architecture="x86_64", python="3.11", are_containers=False)
    assert "models import" in found.problems[0]


def test_the_bundle_must_bring_what_the_model_runs_on() -> None:
    assert system.device(a_manifest(), "cpu").state == "ok"
    assert "for cpu, and cuda is to be used" in system.device(a_manifest(), "cuda").problems[0]
