"""`bundle apply`, killed at every step and at random moments: one release runs after it."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from install.slots import journal as journals
from tests.conftest import wait_until
from tests.system import releases
from tests.system.boxes import Box, fingerprint_of

STEPS = journals.STEPS
# More moments, other ones, and other bundles, such as two with real vLLM, whose applies take
# longer: the first is in use at first, and the key's folder is beside them.
MOMENTS = int(os.environ.get("CASEMATE_TEST_KILL_MOMENTS", "4"))
SEED = int(os.environ.get("CASEMATE_TEST_KILL_SEED", "20261122"))
BUNDLES = os.environ.get("CASEMATE_TEST_KILL_BUNDLES")
WITHIN_S = float(os.environ.get("CASEMATE_TEST_KILL_WITHIN_S", "20"))
MENDED_WITHIN_S = 240.0


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[Path], str]:
    """Two bundles of one release, either of which can follow the other; the fingerprint."""
    if BUNDLES:
        told = [Path(each) for each in BUNDLES.split(os.pathsep)]
        return told, fingerprint_of(told[0].parent / "key")
    folder = tmp_path_factory.mktemp("carried")
    release = releases.a_release(folder, version="0.2.0", stand_in=True)
    made = []
    for name in ("one", "two"):
        (release / "CHANGELOG.md").write_text(f"# {name}\n")
        made.append(releases.build(release, folder / "key", folder / f"{name}.bundle"))
    return made, fingerprint_of(folder / "key")


@pytest.fixture(scope="module")
def box(
    tmp_path_factory: pytest.TempPathFactory, bundles: tuple[Sequence[Path], str]
) -> Iterator[Box]:
    """A box with the first bundle in use."""
    made = Box(home=tmp_path_factory.mktemp("box") / "home", fingerprint=bundles[1])
    made.apply(bundles[0][0])
    yield made
    made.casemate("down")
    assert made.processes() == []


def begun(box: Box, bundle: Path) -> subprocess.Popen[bytes]:
    """An apply under way."""
    return subprocess.Popen(
        box.apply_words(bundle),
        env=box.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_when(box: Box, bundle: Path, claim: Callable[[subprocess.Popen[bytes]], bool]) -> None:
    """Kills an apply when the claim holds, unless it ended before."""
    applying = begun(box, bundle)
    while applying.poll() is None and not claim(applying):
        time.sleep(0.002)
    applying.send_signal(signal.SIGKILL)
    applying.wait()


def is_mended(box: Box) -> bool:
    """Whether one release runs, healthy, and nothing is left to mend that stopped it.

    What the killed one had started ends by itself, and holds the home's lock until then.
    """
    found = box.attempts()
    touched = found[-1].is_open and found[-1].did(journals.SWITCHING)
    return not touched and not box.is_locked() and box.casemate("status").returncode == 0


def check_after_a_kill(box: Box, bundle: Path) -> None:
    """One release is healthy and answers; the same apply then does what it was to do."""
    wait_until(lambda: is_mended(box), within_s=MENDED_WITHIN_S)
    assert box.ask()
    told = box.apply(bundle)
    assert Path(bundle).name == box.attempts()[-1].facts["file"]
    assert told["release"]
    assert box.casemate("status").returncode == 0
    assert not box.attempts()[-1].is_open


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_one_release_running(
    box: Box, bundles: tuple[Sequence[Path], str], step: str
) -> None:
    goal = the_other(box, bundles[0])
    before = len(box.attempts())
    killed_when(box, goal, lambda _: len(box.attempts()) > before and box.attempts()[-1].did(step))
    check_after_a_kill(box, goal)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_kill_at_any_moment_leaves_one_release_running(
    box: Box, bundles: tuple[Sequence[Path], str], moment: int
) -> None:
    goal = the_other(box, bundles[0])
    began = time.monotonic()
    # An undisturbed apply takes less; what is past its end kills nothing, and that is a moment too.
    wait_s = random.Random(SEED + moment).uniform(0.0, WITHIN_S)
    killed_when(box, goal, lambda _: time.monotonic() - began > wait_s)
    check_after_a_kill(box, goal)


def the_other(box: Box, both: Sequence[Path]) -> Path:
    """The bundle that is not in use."""
    applied = [each for each in box.attempts() if each.did(journals.FINISHED)]
    in_use = applied[-1].facts["file"]
    return next(each for each in both if each.name != in_use)
