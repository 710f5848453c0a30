"""Makes an environment from a hashed lock, and puts the product's own wheel into it."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from install.config import write_private
from install.errors import InstallError, PackagesError
from install.progress import Step, size

LOCKS = Path(__file__).parent / "locks"
PACKAGES = ("appliance", "gateway", "model_server", "install")
BUILD_FILES = ("pyproject.toml", "README.md", "LICENSE", "compose.yaml")
BUILD_RULES = "pyproject.toml"
UNITS = {"bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}
OUTPUT_LINES = 12
# 1980-01-01, the first time that a wheel can say.
EARLIEST = "315532800"

# Would make pip, or the Python below it, do something else than asked.
LEFT_OUT = ("PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "VIRTUAL_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment, the lock it follows, and where pip's log and temporary files go."""

    folder: Path
    lock: Path
    scratch: Path

    @property
    def log(self) -> Path:
        """All that pip said."""
        return self.scratch / "install.log"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Written after success only: what the environment was made from."""
        return self.folder / "stamp.json"

    def stamped(self) -> dict[str, object]:
        """What the environment was made from; empty for one that is missing or half made."""
        try:
            found = json.loads(self.stamp.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def follows_lock(self) -> bool:
        """Whether nothing but the product's own wheel could be missing."""
        return self.python.exists() and self.stamped().get("lock") == self.wanted()

    def wanted(self) -> str:
        """What the stamp must say: the lock, and the Python below."""
        return f"{digest(self.lock)} {sys.version_info.major}.{sys.version_info.minor}"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digests(clone: Path) -> dict[str, str]:
    """One digest for each package of the product, over the files that a wheel would carry."""
    found = {}
    for package in PACKAGES:
        total = hashlib.sha256()
        for path in sorted((clone / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(clone)}\0{digest(path)}\n".encode())
        found[package] = total.hexdigest()
    found |= {name: digest(clone / name) for name in BUILD_FILES}
    return found


def make(
    environment: Environment,
    step: Step,
    *,
    find_links: Path | None = None,
    is_offline: bool = False,
) -> bool:
    """Makes the environment anew unless it follows its lock; returns whether it had to.

    With `is_offline` packages come from `find_links` alone, whatever pip is configured to.

    Raises:
        PackagesError: pip did not find or could not verify a package; a half-made environment has
            no stamp, and the next run makes it again.
    """
    if environment.follows_lock():
        return False
    shutil.rmtree(environment.folder, ignore_errors=True)
    step.detail = "new virtual environment"
    _run([sys.executable, "-m", "venv", str(environment.folder)], environment, "Making venv")
    install(environment, environment.lock, step, find_links=find_links, is_offline=is_offline)
    write_stamp(environment, {"lock": environment.wanted()})
    return True


def install(
    environment: Environment,
    lock: Path,
    step: Step,
    *,
    find_links: Path | None = None,
    is_offline: bool = False,
) -> None:
    """Installs what a hashed lock lists, and nothing else."""
    total = sum("==" in line for line in lock.read_text("utf-8").splitlines())
    command = [str(environment.python), "-m", "pip", "install", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--no-compile", "-r", str(lock)]
    if find_links is not None:
        command += ["--find-links", str(find_links)]
    if is_offline:
        command += ["--no-index"]
    follow = PipProgress(step, total, environment.folder)
    _run(command, environment, "Installing packages", on_line=follow.line)
    step.watch = None


class PipProgress:
    """Turns what pip prints, and what lies in the environment, into one short line."""

    def __init__(self, step: Step, total: int, folder: Path) -> None:
        self._step = step
        self._total = total
        self._folder = folder
        self._collected = 0
        self._bytes = 0.0

    def line(self, text: str) -> None:
        """Takes in one line of pip's output."""
        if text.startswith("Collecting "):
            self._collected += 1
        elif text.startswith("Installing collected packages"):
            self._step.watch = self._unpacked
        found = re.search(r"(?:Downloading|Using cached) \S+.* \(([\d.]+) (\w+)\)", text)
        if found:
            self._bytes += float(found[1]) * UNITS.get(found[2].lower(), 0)
        self._step.detail = (
            f"{self._collected} of {self._total} packages fetched, {size(self._bytes)}"
        )

    def _unpacked(self) -> str:
        # Counting folders is cheap; adding up two gigabytes of files ten times a second is not.
        done = sum(1 for _ in self._folder.glob("lib/python3.*/site-packages/*.dist-info"))
        return f"{min(done, self._total)} of {self._total} packages unpacked, {size(self._bytes)}"


def build_wheel(builder: Environment, clone: Path, wheels: Path) -> None:
    """Builds the product's wheel unless the one there is of the same sources.

    Built from a copy: a build in the clone leaves its folders behind, and puts modules that are
    gone from the sources into the next wheel.
    """
    digests = source_digests(clone)
    if built_digests(wheels) == digests and any(wheels.glob("*.whl")):
        return
    shutil.rmtree(wheels, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="casemate-build-") as folder:
        copy = Path(folder)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(clone / package, copy / package, ignore=ignored)
        for name in BUILD_FILES:
            shutil.copy(clone / name, copy / name)
        _make_plain(copy)
        command = [str(builder.python), "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
        command += ["--no-index", "--wheel-dir", str(wheels), str(copy)]
        _run(command, builder, "Building casemate")
    write_private(wheels / "sources.json", json.dumps(digests))


def _make_plain(folder: Path) -> None:
    """Gives what is below the modes that a clone has for everybody, whatever the umask was."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def built_digests(wheels: Path) -> dict[str, str]:
    """The sources that the wheel was built from; empty when there is none."""
    try:
        found: dict[str, str] = json.loads((wheels / "sources.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def put_wheel(environment: Environment, wheels: Path) -> bool:
    """Installs the product's wheel unless the same is there; returns whether it had to."""
    digests = built_digests(wheels)
    stamp = environment.stamped()
    if stamp.get("sources") == digests:
        return False
    wheel = next(wheels.glob("*.whl"), None)
    if wheel is None:
        sentence = "The product's own wheel is missing; run `python3 -m install up` in the clone."
        raise InstallError(sentence)
    # An interrupted exchange must be seen by the next run.
    write_stamp(environment, {"lock": stamp.get("lock")})
    command = [str(environment.python), "-m", "pip", "install", "--no-deps", "--no-index"]
    command += ["--force-reinstall", "--no-compile", str(wheel)]
    _run(command, environment, "Installing casemate")
    write_stamp(environment, {"lock": stamp.get("lock"), "sources": digests})
    return True


def folder_bytes(folder: Path) -> int:
    """What a folder takes up, links not followed."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total


def run_pip(
    environment: Environment,
    arguments: list[str],
    what: str,
    *,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Runs the environment's pip; `on_line` gets each line that it prints.

    Raises:
        PackagesError: with the end of what pip said.
    """
    _run([str(environment.python), "-m", "pip", *arguments], environment, what, on_line=on_line)


def write_stamp(environment: Environment, content: dict[str, object]) -> None:
    """Says what an environment was made from; the last thing that is done to it."""
    write_private(environment.stamp, json.dumps(content))


def _run(
    command: list[str],
    environment: Environment,
    what: str,
    *,
    on_line: Callable[[str], None] | None = None,
) -> None:
    last: deque[str] = deque(maxlen=OUTPUT_LINES)
    # pip unpacks wheels here rather than in /tmp, which may be small and is not in the disk check.
    with (
        tempfile.TemporaryDirectory(prefix=".tmp-", dir=environment.scratch) as scratch,
        environment.log.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            env=_pip_environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                log.write(line)
                text = line.strip()
                if text:
                    last.append(text)
                if on_line is not None:
                    on_line(text)
        except BaseException:
            # Whoever is interrupted must not wait until pip is done.
            process.terminate()
            raise
    if process.returncode != 0:
        errors = [line for line in last if line.startswith("ERROR:")] or list(last)[-3:]
        raise PackagesError(what, f"{' '.join(errors)} (all of it: {environment.log})")


def _pip_environment(scratch: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    return {
        **kept,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # The same sources give the same wheel, byte for byte: files in it have the earliest time.
        "SOURCE_DATE_EPOCH": EARLIEST,
        "TMPDIR": scratch,
    }
