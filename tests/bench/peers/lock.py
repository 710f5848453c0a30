"""Makes the peers' lock files anew: `python -m tests.bench.peers.lock`, where registries answer."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from install.lock import lock_lines

FOLDER = Path(__file__).parent
PYTHON_PEERS = {"litellm": "litellm[proxy]==1.106.0", "vllm-router": "vllm-router==0.1.17"}


def resolved(requirement: str) -> dict[str, object]:
    """What pip would install for it; installs nothing."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        command = [sys.executable, "-m", "pip", "install", *options, requirement]
        subprocess.run(command, check=True)
        found: dict[str, object] = json.loads(report.read_text())
        return found


def main() -> None:
    for name, requirement in PYTHON_PEERS.items():
        lines = lock_lines(resolved(requirement), frozenset())
        head = f"# CPython 3.11, Linux x86_64. Made by `python -m {__spec__.name}`.\n"
        (FOLDER / f"{name}.lock").write_text(head + "\n".join(lines) + "\n")
        print(f"{name}: {len(lines)} packages")
    # Without the addresses of a registry, so that npm asks the one that it is set up with.
    options = ["--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved"]
    subprocess.run(["npm", "install", *options], cwd=FOLDER / "portkey", check=True)


if __name__ == "__main__":
    main()
