"""Holds the last run's coverage to its floors: `python -m tests.coverage_floors`."""

import subprocess
import sys
from pathlib import Path

FLOORS = (
    (100, "appliance/*/rules.py,appliance/*/rules/*,gateway/policy/*,gateway/contract/*"),
    (90, "appliance/*,gateway/*,model_server/*,install/*"),
)


def main() -> int:
    """Prints what misses a floor; the exit code is 0 when none does."""
    coverage = Path(sys.executable).parent / "coverage"
    failed = 0
    for floor, included in FLOORS:
        command = [str(coverage), "report", "--skip-covered", "--show-missing"]
        done = subprocess.run(
            [*command, f"--fail-under={floor}", f"--include={included}"],
            capture_output=True,
            text=True,
            check=False,
        )
        total = next((line for line in done.stdout.splitlines() if line.startswith("TOTAL")), "")
        print(f"{included}: {total.split()[-1] if total else '100%'}, at least {floor}%")
        if done.returncode != 0:
            failed = 1
            print(done.stdout + done.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
