"""What it takes to write and to verify a large bundle, beside `sha256sum` of the same file.

`python -m tests.bench.bundle_size [--bytes 5000000000] [--folder FOLDER] [--out FOLDER]` makes
random contents, and removes all of it afterwards. Each part is a process of its own, so that its
peak of memory is its own; nothing waits for the disk but the writing's last word.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from install.bundle import signers, verifying, writing
from install.bundle.manifest import Manifest
from install.bundle.signers import SigningKey
from install.bundle.verifying import Asks
from tests.bench.machine import machine
from tests.bundle_builders import LONG_AGO, LONG_HENCE, NOW, an_installer

SOURCES = 5
PIECE = 4 * 1024 * 1024
MEBIBYTE = 1024 * 1024


def describe(folder: Path) -> None:
    """Writes the manifest's entries down, as an interrupted build would find them."""
    writing.describe(_sources(folder), cache=folder / "known")


def write(folder: Path) -> None:
    """Writes the bundle of what was described."""
    sources = _sources(folder)
    manifest = Manifest(
        release="0.2.0",
        schema_generation=1,
        architecture="x86_64",
        python="3.11",
        made_at="2026-10-01T00:00:00Z",
        devices=("cpu",),
        entries=writing.describe(sources, cache=folder / "known"),
        models=(),
        images=(),
        installer=writing.describe_installer(folder / "installer"),
    )
    writing.write(
        folder / "a.bundle",
        manifest,
        sources,
        installer=folder / "installer",
        signing=SigningKey.load(folder / "key"),
    )


def verify(folder: Path) -> None:
    """Verifies it as the first bundle of a box."""
    asks = Asks(confirm=lambda _statement: True)
    verifying.verify(folder / "a.bundle", trust=folder / "trust.json", now=NOW, asks=asks)


PARTS = {"describe": describe, "write": write, "verify": verify}


def _sources(folder: Path) -> dict[str, Path]:
    return {f"models/m/{number}": folder / f"source-{number}" for number in range(SOURCES)}


def prepare(folder: Path, count: int) -> None:
    """Random contents of so many bytes, a key and an installer."""
    for path in _sources(folder).values():
        left = count // SOURCES
        with path.open("wb") as file:
            while left:
                left -= file.write(os.urandom(min(PIECE, left)))
    (folder / "installer").write_bytes(an_installer())
    signers.make(folder / "key", name="A Maker", not_before=LONG_AGO, expires=LONG_HENCE)


def timed(command: Sequence[str], count: int) -> dict[str, Any]:
    """How long a program takes for so many bytes, and what it says on its last line."""
    began, worked = time.perf_counter(), _worked_s()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "processor_s": round(_worked_s() - worked, 2),
        "mib_per_s": round(count / MEBIBYTE / seconds, 1),
    }
    if done.stdout.startswith("{"):
        found |= json.loads(done.stdout)
    return found


def _worked_s() -> float:
    """What all ended children used of processors, which says more on a machine that is shared."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, count: int) -> dict[str, Any]:
    """All parts, one after another."""
    prepare(folder, count)
    found: dict[str, Any] = {"bytes": count, "machine": machine()}
    for name in PARTS:
        words = ["-m", "tests.bench.bundle_size", "--part", name, "--folder", str(folder)]
        found[name] = timed([sys.executable, *words], count)
        if name == "write":
            # Room for other programs' work; the bundle holds all of it.
            for path in _sources(folder).values():
                path.unlink()
    found["sha256sum"] = timed(["sha256sum", str(folder / "a.bundle")], count)
    found["bundle_bytes"] = (folder / "a.bundle").stat().st_size
    return found


def report(found: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{found['bytes'] / 1e9:.1f} GB in {found['bundle_bytes'] / 1e9:.3f} GB"]
    for name in (*PARTS, "sha256sum"):
        each = found[name]
        peak = f"{each['peak_mib']:.0f} MiB at most" if "peak_mib" in each else ""
        lines.append(
            f"{name:<10} {each['seconds']:>7} s ({each['processor_s']} s of processors) "
            f"{each['mib_per_s']:>8} MiB/s  {peak}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints, or runs one part and says how much memory it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=5_000_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", choices=PARTS)
    options = parser.parse_args(arguments)
    if options.part:
        PARTS[options.part](options.folder)
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"peak_mib": round(peak_kib / 1024, 1)}))
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="casemate-bench-") as folder:
        found = measure(Path(folder), options.bytes)
    print(report(found))
    if options.out:
        text = json.dumps(found, indent=2) + "\n"
        (options.out / "bundle_size.json").write_text(text)


if __name__ == "__main__":
    main()
