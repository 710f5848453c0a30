"""Bundles as they are built by hand: the same bytes anywhere, and after any number of kills."""

import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from install.bundle.opened import opened
from tests.system import releases
from tests.system.driver import PYTHON

KILLS = 6
LONGEST_S = 15.0
OLD_PYTHON_WORDS = ["-I", "-S"]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with a stand-in for vLLM."""
    return releases.a_release(tmp_path_factory.mktemp("built"), version="0.7.0", stand_in=True)


@pytest.fixture(scope="module")
def built(release: Path) -> Path:
    """Its bundle."""
    return releases.build(release, release.parent / "key", release.parent / "first.bundle")


def test_another_build_elsewhere_gives_the_same_bytes(release: Path, built: Path) -> None:
    work = release.parent / "elsewhere"
    again = release.parent / "second.bundle"
    releases.build(release, release.parent / "key", again, "--work", str(work))
    assert again.read_bytes() == built.read_bytes()


def test_a_build_that_is_killed_again_and_again_comes_to_the_same_bytes(
    release: Path, built: Path
) -> None:
    work = release.parent / "elsewhere"
    for made in ("wheels", "licences"):
        shutil.rmtree(work / made, ignore_errors=True)
    (work / "digests.json").unlink(missing_ok=True)
    out = release.parent / "killed.bundle"
    words = _words(release, out, "--work", str(work))
    for seed in range(KILLS):
        moment = random.Random(seed).uniform(1, LONGEST_S)
        if _killed(release, words, after_s=moment):
            assert not out.exists()
        else:
            out.unlink(missing_ok=True)
    _run(release, words)
    assert out.read_bytes() == built.read_bytes()
    with opened(out) as bundle:
        bundle.check()


def test_what_was_fetched_is_not_fetched_again(release: Path, built: Path) -> None:
    out = release.parent / "third.bundle"
    _run(release, _words(release, out), PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_NO_CACHE_DIR="1")
    assert out.read_bytes() == built.read_bytes()


def test_the_bundle_runs_by_itself_with_a_bare_python(built: Path) -> None:
    done = subprocess.run(
        [str(PYTHON), *OLD_PYTHON_WORDS, str(built), "inspect", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"0.7.0"' in done.stdout


def _words(release: Path, out: Path, *more: str) -> list[str]:
    key, model = release.parent / "key", release / releases.MODEL
    places = ["--out", str(out), "--key", str(key), "--model", str(model)]
    return [str(PYTHON), "-m", "install", "bundle", "build", *places, *more]


def _run(release: Path, words: list[str], **more: str) -> None:
    environment = {**releases.environment(release), **more}
    done = subprocess.run(
        words, cwd=release, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _killed(release: Path, words: list[str], *, after_s: float) -> bool:
    """Kills a build after so long; False when it was done before."""
    with subprocess.Popen(
        words,
        cwd=release,
        env=releases.environment(release),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
    return False
