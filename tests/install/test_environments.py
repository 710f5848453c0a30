import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from install import environments, model_environment
from install.environments import Environment, PipProgress, source_digests
from install.errors import InstallError, PackagesError, TorchNotFoundError
from install.places import Places
from install.progress import Step

PIP = """#!/bin/sh
echo "$@" >> "$0.log"
{body}
"""


@pytest.fixture
def step() -> Step:
    return Step(title="Environment", began=0)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    lock = tmp_path / "some.lock"
    lock.write_text("# nothing\n")
    return Environment(folder=tmp_path / "env", lock=lock, scratch=tmp_path)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    for package in environments.PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    for name in environments.BUILD_FILES:
        (folder / name).write_text("")
    return folder


@pytest.fixture
def fake_pip(environment: Environment) -> Callable[[str], Path]:
    """Puts a program that says what it is told into the place of the environment's Python."""

    def put(body: str) -> Path:
        program = environment.python
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(PIP.format(body=body))
        program.chmod(0o755)
        return program.with_name("python.log")

    return put


def test_an_environment_is_made_once_and_again_for_a_new_lock(
    environment: Environment, step: Step
) -> None:
    assert environments.make(environment, step)
    assert not environments.make(environment, step)
    environment.lock.write_text("# something else\n")
    assert not environment.follows_lock()


def test_a_half_made_environment_is_made_again(environment: Environment, step: Step) -> None:
    environment.lock.write_text("no-such-package==1 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.delenv("PIP_FIND_LINKS", raising=False)
        with pytest.raises(PackagesError, match=r"no-such-package==1.*install\.log"):
            environments.make(environment, step)
    assert environment.python.exists()
    assert not environment.follows_lock()


def test_a_damaged_stamp_counts_as_none(environment: Environment) -> None:
    environment.folder.mkdir()
    for text in ("{", "[]"):
        environment.stamp.write_text(text)
        assert environment.stamped() == {}


def test_each_package_has_its_own_digest(clone: Path) -> None:
    before = source_digests(clone)
    (clone / "gateway" / "new.py").write_text("x = 1")
    (clone / "appliance" / "__pycache__").mkdir()
    (clone / "appliance" / "__pycache__" / "x.pyc").write_text("")
    after = source_digests(clone)
    assert {name for name in after if after[name] != before[name]} == {"gateway"}


def test_the_wheel_is_built_once_from_a_copy(
    environment: Environment, clone: Path, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    log = fake_pip('mkdir -p "$8" && touch "$8/casemate-1-py3-none-any.whl"')
    wheels = tmp_path / "wheels"
    for _ in range(2):
        environments.build_wheel(environment, clone, wheels)
    (call,) = log.read_text().splitlines()
    assert "--no-build-isolation" in call
    assert str(clone) not in call
    assert environments.built_digests(wheels) == source_digests(clone)


def test_the_wheel_is_put_in_once(
    environment: Environment, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "sources.json").write_text('{"gateway": "1"}')
    log = fake_pip("")
    with pytest.raises(InstallError, match="wheel is missing"):
        environments.put_wheel(environment, wheels)
    (wheels / "casemate.whl").write_text("")
    assert environments.put_wheel(environment, wheels)
    assert not environments.put_wheel(environment, wheels)
    assert len(log.read_text().splitlines()) == 1


def test_an_interrupted_exchange_of_the_wheel_is_seen(
    environment: Environment, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "casemate.whl").write_text("")
    fake_pip("exit 1")
    environment.stamp.write_text(json.dumps({"lock": "l", "sources": {"gateway": "0"}}))
    (wheels / "sources.json").write_text('{"gateway": "1"}')
    with pytest.raises(PackagesError):
        environments.put_wheel(environment, wheels)
    assert environment.stamped() == {"lock": "l"}


def test_pips_output_becomes_one_short_line(environment: Environment, step: Step) -> None:
    follow = PipProgress(step, 3, environment.folder)
    for line in (
        "Collecting rich==15 (from -r some.lock (line 1))",
        "Downloading rich-15-py3-none-any.whl (1.5 MB)",
        "Collecting typer==0.29",
        "Using cached typer-0.29-py3-none-any.whl (500 kB)",
    ):
        follow.line(line)
    assert step.now() == "2 of 3 packages fetched, 2.0 MB"
    (environment.folder / "lib/python3.11/site-packages/rich-15.dist-info").mkdir(parents=True)
    follow.line("Installing collected packages: rich, typer")
    assert step.now() == "1 of 3 packages unpacked, 2.0 MB"


def test_torch_is_first_sought_where_pip_looks(
    environment: Environment, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    environment.lock.write_text("torch==2.13.0+cpu --hash=sha256:00\nvllm-cpu==0.32.0\n")
    log = fake_pip("")
    model_environment.fetch_torch(environment.lock, environment, tmp_path / "d", index=None)
    assert "index-url" not in log.read_text()
    assert (tmp_path / "d" / "torch.txt").read_text() == "torch==2.13.0+cpu --hash=sha256:00\n"


def test_a_missing_torch_names_the_settings_that_supply_it(
    environment: Environment, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    environment.lock.write_text("torch==2.13.0+cpu --hash=sha256:00\n")
    log = fake_pip("echo 'ERROR: No matching distribution found for torch'; exit 1")
    with pytest.raises(TorchNotFoundError, match="--torch-index") as caught:
        model_environment.fetch_torch(
            environment.lock, environment, tmp_path / "d", index="http://127.0.0.1:9/simple"
        )
    assert "PIP_FIND_LINKS" in caught.value.sentence
    assert "http://127.0.0.1:9/simple" in log.read_text().splitlines()[-1]


def test_another_failure_of_pip_is_told_as_it_is(
    environment: Environment, tmp_path: Path, fake_pip: Callable[[str], Path]
) -> None:
    environment.lock.write_text("torch==2.13.0+cpu --hash=sha256:00\n")
    fake_pip("echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES'; exit 1")
    with pytest.raises(PackagesError, match="HASHES"):
        model_environment.fetch_torch(environment.lock, environment, tmp_path / "d", index=None)


def test_the_model_environment_that_follows_its_lock_is_left_alone(
    installed: Places, step: Step
) -> None:
    builder = Environment(folder=installed.services, lock=Path("x"), scratch=installed.logs)
    said = model_environment.make(installed, builder, step, device="cpu", torch_index=None)
    assert "as it was" in said


def test_the_size_of_a_folder_counts_files_at_every_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"12345")
    assert environments.folder_bytes(tmp_path) == 5
    shutil.rmtree(tmp_path / "a")
    assert environments.folder_bytes(tmp_path) == 0
