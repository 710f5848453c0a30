"""Makes the hashed lock files, where registries answer: `python3 -m install.lock [NAME ...]`."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LOCKS = Path(__file__).parent / "locks"

# CUDA builds of these break the CPU build's import, and triton is 1 GB that only xgrammar asks for.
CPU_EXCLUDED = frozenset({"torchvision", "torchaudio", "torchcodec", "triton"})

SETS: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "services": (("services.in",), frozenset()),
    "tests": (("services.in", "lockdown.in", "tests.in"), frozenset()),
    "model-server-cpu": (("model-server-cpu.in",), CPU_EXCLUDED),
    "model-server-cuda": (("model-server-cuda.in",), frozenset()),
    "instance": (("instance.in",), frozenset()),
    "gateway": (("gateway.in",), frozenset()),
    "lockdown": (("lockdown.in",), frozenset()),
    "pip": (("pip.in",), frozenset()),
}

# What goes into an image is what was tested: these follow the versions of the tests' lock.
TESTED = frozenset({"instance", "gateway", "lockdown"})


def lock_lines(report: dict[str, object], excluded: frozenset[str]) -> list[str]:
    """The `name==version --hash=sha256:…` lines of one pip report, sorted, without `excluded`."""
    lines = []
    for item in report["install"]:  # type: ignore[attr-defined]  # pip's report is untyped JSON
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if name not in excluded:
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{name}=={item['metadata']['version']} --hash=sha256:{digest}")
    return sorted(lines)


def without_hashes(lock: str) -> str:
    """The bare `name==version` lines of a lock, as pip takes constraints."""
    return "".join(f"{line.split()[0]}\n" for line in lock.splitlines() if "==" in line)


def resolve(
    inputs: tuple[str, ...], *, cuda: bool = False, constraints: str = ""
) -> dict[str, object]:
    """What pip would install for `inputs` on this platform; needs the network, installs nothing."""
    with tempfile.TemporaryDirectory() as folder:
        report, bounds = Path(folder) / "report.json", Path(folder) / "constraints.txt"
        bounds.write_text(constraints)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), "--constraint", str(bounds)]
        for name in inputs:
            command += ["-r", str(LOCKS / name)]
        environment = dict(os.environ)
        if cuda:
            # A local folder with torch's CPU build would win over the CUDA build.
            environment.pop("PIP_FIND_LINKS", None)
            environment["PIP_CONFIG_FILE"] = os.devnull
        subprocess.run(command, check=True, env=environment)
        return json.loads(report.read_text())  # type: ignore[no-any-return]  # untyped JSON


def main() -> None:
    """Writes the named lock files anew, or every one."""
    for name in sys.argv[1:] or SETS:
        inputs, excluded = SETS[name]
        tested = (LOCKS / "tests.lock").read_text() if name in TESTED else ""
        report = resolve(inputs, cuda=name.endswith("cuda"), constraints=without_hashes(tested))
        lines = lock_lines(report, excluded)
        made = f"Made by `python3 -m install.lock` from {' '.join(inputs)}."
        head = f"# CPython 3.11, Linux x86_64. {made}\n"
        (LOCKS / f"{name}.lock").write_text(head + "\n".join(lines) + "\n")
        print(f"{name}: {len(lines)} packages")


if __name__ == "__main__":
    main()
