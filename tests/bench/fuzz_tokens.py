"""Searches for a token or header that is let in, or that breaks something, guided by coverage.

`python -m tests.bench.fuzz_tokens --minutes 5`; what it finds is left in a file that it names.
"""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.bench.quiet import quiet_logs

LONGEST_INPUT = 8192


class _Target(Protocol):
    take: Callable[[bytes], None]

    def seeds(self) -> list[bytes]: ...


def load_atheris() -> Any:
    """The fuzzer, which is there for CPython on Linux only; leaves with a sentence otherwise."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is missing here: install the tests' lock, install/locks/tests.lock.")


def main() -> None:
    """Fuzzes for as long as it is told; libFuzzer ends the process and prints what it did."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fuzz_tokens")
    parser.add_argument("--minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    atheris = load_atheris()
    quiet_logs()
    with atheris.instrument_imports(include=["gateway"]):
        target: _Target = importlib.import_module("tests.bench.fuzz_target").Target()
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-tokens-"))
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={int(arguments.minutes * 60)}",
            f"-max_len={LONGEST_INPUT}",
            "-timeout=10",
            "-print_final_stats=1",
            f"-artifact_prefix={corpus}/found-",
            str(corpus),
        ],
        target.take,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
