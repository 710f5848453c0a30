"""Which device the model's container gets, and whether the engine can hand out GPUs."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from install.config import ALL_GPUS, Config
from install.containers.engine import Engine
from install.containers.errors import GpuMissingError

TOOLKIT = "install NVIDIA's container toolkit and restart the engine"
HOOK = "nvidia-container-runtime-hook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the model runs on; `gpus` is ALL_GPUS, numbers with commas, or None on the CPU.

    `note` is a sentence for a person, where something is not as could be expected.
    """

    gpus: str | None
    note: str | None = None

    @property
    def kind(self) -> str:
        """`cpu` or `cuda`, as the model server's locks are called."""
        return "cpu" if self.gpus is None else "cuda"


def choose(
    config: Config, engine: Engine, *, list_gpus: Callable[[], tuple[str, ...] | None] | None = None
) -> Device:
    """The device that the settings ask for; by themselves GPUs are taken where there are any.

    Raises:
        GpuMissingError: one was asked for and cannot be had.
    """
    if config.device == "cpu" and config.gpus is None:
        return Device(gpus=None)
    here = (list_gpus or gpus_here)()
    is_asked = config.gpus is not None or config.device == "cuda"
    if not is_asked and not here:
        return Device(gpus=None)
    if not can_hand_out(engine):
        sentence = f"the engine cannot hand one to a container: {TOOLKIT}"
        if is_asked:
            raise GpuMissingError(f"A GPU was asked for, and {sentence}.")  # noqa: EM102
        return Device(
            gpus=None,
            note=f"This machine has a GPU, but {sentence}. The model runs on the CPU.",
        )
    return Device(gpus=_checked(config.gpus or ALL_GPUS, here))


def _checked(asked: str, here: tuple[str, ...] | None) -> str:
    # Without nvidia-smi nobody can tell; the engine itself will.
    if here is None:
        return asked
    missing = [each for each in asked.split(",") if each != ALL_GPUS and each not in here]
    if missing or not here:
        there = f"there are {', '.join(here)}" if here else "there is none on this machine"
        sentence = f"GPU {', '.join(missing) or asked} was asked for; {there}."
        raise GpuMissingError(sentence)
    return asked


def can_hand_out(engine: Engine) -> bool:
    """Whether the engine knows NVIDIA's runtime, its hook, or devices described for it."""
    if "nvidia" in (engine.facts.get("Runtimes") or {}) or shutil.which(HOOK):
        return True
    folders = engine.facts.get("CDISpecDirs") or ()
    return any(path for folder in folders for path in Path(folder).glob("*nvidia*"))


def gpus_here() -> tuple[str, ...] | None:
    """The numbers of this machine's GPUs; None where no program can tell."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return ()
    return tuple(re.findall(r"^GPU (\d+):", done.stdout, re.MULTILINE))
