"""Installs the peers from pinned versions into a cache folder, once per lock file."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).parent
INSTALL_TIMEOUT_S = 900


class PeerUnavailableError(Exception):
    """A peer that cannot be installed or started here."""

    def __init__(self, *, peer: str, why: str) -> None:
        super().__init__(f"{peer}: {why}")
        self.why = why


def default_cache() -> Path:
    """Outside of the repository, as other programs' caches are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casemate-bench"


def python_environment(peer: str, cache: Path) -> Path:
    """The folder of programs of a peer from the Python registry, checked against its hashes."""
    lock = LOCKS / f"{peer}.lock"
    folder, is_new = _folder(cache, peer, lock)
    if is_new:
        _run(peer, [_plain_python(), "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--no-deps"]
        _run(peer, [*pip, "--require-hashes", "-r", str(lock)])
        (folder / "installed").touch()
    return folder / "bin"


def node_environment(peer: str, cache: Path) -> Path:
    """The folder of modules of a peer from the Node registry, checked against its lock."""
    if not (shutil.which("npm") and shutil.which("node")):
        raise PeerUnavailableError(peer=peer, why="there is no node and npm here")
    lock = LOCKS / peer / "package-lock.json"
    folder, is_new = _folder(cache, peer, lock)
    if is_new:
        folder.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKS / peer / name, folder)
        options = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--silent"]
        _run(peer, ["npm", "ci", "--prefix", str(folder), *options])
        (folder / "installed").touch()
    return folder / "node_modules"


def _folder(cache: Path, peer: str, lock: Path) -> tuple[Path, bool]:
    """Where the peer goes, and whether it has still to be installed; what is half made is gone."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = cache / f"{peer}-{digest}"
    if (folder / "installed").exists():
        return folder, False
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    print(f"installing {peer} ...", file=sys.stderr, flush=True)
    return folder, True


def _plain_python() -> str:
    """The interpreter that our own environment was made from."""
    return str(Path(sys.base_prefix) / "bin" / "python3")


def _run(peer: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise PeerUnavailableError(peer=peer, why=str(cause)) from cause
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise PeerUnavailableError(peer=peer, why=f"cannot be installed: {' '.join(last)}")
