"""An appliance that came in a bundle and runs as containers, on the tests' machine."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system import releases
from tests.system.containers.driver import ContainerAppliance
from tests.system.containers.idle import forget
from tests.system.containers.machine import Done, Machine
from tests.system.containers.outside import HostService, Outside
from tests.system.containers.probing import probe, reached, to_the_outside
from tests.system.driver import PYTHON

BUILD_TIMEOUT_S = 1800


def build(machine: Machine, release: Path, out: Path) -> Path:
    """Builds a bundle with images on the machine's engine, which has none of them afterwards."""
    key = release.parent / "key"
    if not key.exists():
        releases.run(release, "key", "new", str(key))
    command = [str(PYTHON), "-m", "install", "bundle", "build", "--device", "cpu", "--images"]
    command += ["--base-image", machine.base_image, "--model", str(release / releases.MODEL)]
    done = subprocess.run(
        [*command, "--out", str(out), "--key", str(key)],
        cwd=release,
        env={**os.environ, **releases.environment(release), **machine.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tags = [each["tag"] for each in inspected(out)["images"]]
    machine.docker("image", "rm", "--force", *tags)
    return out


def inspected(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself."""
    command = [str(PYTHON), str(bundle), "inspect", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(slots=True, kw_only=True)
class BundledAppliance(ContainerAppliance):
    """One home that bundles are applied to; no registry and no index is known to it.

    Its ports are beside those of an appliance with the usual ones.
    """

    program: str = "slot/services/bin/casemate"
    ports: tuple[int, int] = (28080, 25052)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CASEMATE_HOME": str(self.home),
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }

    def apply(self, bundle: Path, **more: str) -> dict[str, Any]:
        """`python3 BUNDLE apply --compose`, which must succeed; what it told."""
        signer = inspected(bundle)["signer"]["fingerprint"]
        words = ["apply", "--json", "--fingerprint", signer, "--compose"]
        for name, port in zip(("instance", "gateway"), self.ports, strict=True):
            words += [f"--{name}-port", str(port)]
        done = self.run(PYTHON, bundle, *words, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def casemate(self, *arguments: str) -> Done:
        return self.run(self.home / self.program, *arguments)

    def up_again(self) -> dict[str, Any]:
        """The slot's own `up`, which finds all as it is."""
        done = self.casemate("up", "--compose", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        self.told = json.loads(done.stdout.splitlines()[-1])
        return self.told

    def answer(self) -> str:
        """What it says to a question."""
        done = self.casemate("ask", "Say yes.")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def images(self) -> dict[str, str]:
        """What each service's container runs."""
        return {name: told["Config"]["Image"] for name, told in self.inspected().items()}

    def ways_out(self, outside: Outside, host_service: HostService) -> dict[str, str]:
        """What the services' containers reached of what they must not; the peers must be there."""
        forget(outside, host_service)
        found = self.containers.probe_all()
        assert all(each.peers for each in found.values()), found
        assert outside.notes.all() == host_service.notes.all() == []
        return {
            f"{name} {way}": how
            for name, each in found.items()
            for way, how in each.reached.items()
        }

    def unlocked(self) -> dict[str, str]:
        """What a container on the engine's ordinary network reaches outside."""

        def execute(command: list[str]) -> subprocess.CompletedProcess[str]:
            return self.machine.docker("run", "--rm", self.machine.base_image, *command)

        return reached(probe(execute, to_the_outside()))
