"""The static checks, in order, stopping at the first that fails: `python -m tests.checks`."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("appliance", "gateway", "model_server", "install")

CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy",)),
    ("imports", ("lint-imports", "--no-cache")),
    ("dead code", ("vulture",)),
)


def main() -> int:
    """Runs every check; the exit code is that of the first that fails."""
    programs = Path(sys.executable).parent
    for name, (program, *arguments) in CHECKS:
        started = time.monotonic()
        done = subprocess.run(
            [programs / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}", end=" ")
        print(f"({time.monotonic() - started:.1f} s)", flush=True)
        if done.returncode != 0:
            print(done.stdout + done.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
