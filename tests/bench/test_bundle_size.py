import json
import subprocess
import sys
from pathlib import Path

from tests.bench import bundle_size

MOST_MIB = 256


def test_memory_does_not_grow_with_the_bundle(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.bench.bundle_size", "--bytes", "200000000"]
    subprocess.run(
        [*words, "--folder", tmp_path, "--out", tmp_path], check=True, capture_output=True
    )
    found = json.loads((tmp_path / "bundle_size.json").read_text())
    for part in bundle_size.PARTS:
        assert found[part]["peak_mib"] < MOST_MIB
    assert found["bundle_bytes"] < 200_000_000 * 1.001
    assert [each.name for each in tmp_path.iterdir()] == ["bundle_size.json"]


def test_figures_are_told_beside_those_of_sha256sum() -> None:
    part = {"seconds": 2.0, "processor_s": 1.5, "mib_per_s": 500.0}
    found = {
        "bytes": 10**9,
        "bundle_bytes": 10**9,
        "sha256sum": part,
        **{name: part | {"peak_mib": 40.2} for name in bundle_size.PARTS},
    }
    lines = bundle_size.report(found).splitlines()
    assert lines[0] == "1.0 GB in 1.000 GB"
    assert [line.split()[0] for line in lines[1:]] == ["describe", "write", "verify", "sha256sum"]
    assert "40 MiB at most" in lines[2]
