"""Drives an appliance that runs as containers on the tests' machine, through its own commands."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from install.containers.machine import project_name
from install.environments import LOCKS
from install.places import Places
from tests.model_server.builders import a_model_folder
from tests.system.containers.idle import SERVICES, Containers
from tests.system.containers.images import wheels
from tests.system.containers.machine import Done, Machine
from tests.system.driver import CLONE, PYTHON

LOCK_NAMES = ("services", "pip", "lockdown", "instance", "gateway")
MODEL = "stub-model"
ALL_SERVICES = (*SERVICES, "lockdown")
QUESTION = Path(__file__).parent / "question.py"


@dataclass(slots=True, kw_only=True)
class ContainerAppliance:
    """One home; `told` is what the last `up --json` said.

    Its commands run on a machine without a route, so the wheels lie in a folder that pip is told
    of, as on a disconnected machine of a user.
    """

    machine: Machine
    home: Path
    model_server_image: str
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a person's shell would hold."""
        prepared = self.machine.prepared
        folders = {wheels(prepared, LOCKS / f"{name}.lock")[0].parent for name in LOCK_NAMES}
        return {
            "CASEMATE_HOME": str(self.home),
            "CASEMATE_BASE_IMAGE": self.machine.base_image,
            "CASEMATE_MODEL_SERVER_IMAGE": self.model_server_image,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": " ".join(sorted(str(folder) for folder in folders)),
        }

    def run(self, *command: str | Path, text: str | None = None, **more: str) -> Done:
        """A command on the machine, whatever its exit code; `more` is put into its environment."""
        # Entering a namespace of mounts leads to its root.
        there = ("env", "--chdir", str(CLONE))
        words = [*self.machine.door, *there, *(str(each) for each in command)]
        extra = {**self.environment, **more}
        return self.machine.run(*words, check=False, extra=extra, text=text)

    def try_up(self, *options: str, **more: str) -> Done:
        """`up --compose` from the clone."""
        model = a_model_folder(self.machine.folder / MODEL)
        up = ("-m", "install", "up", "--compose", "--json", "--model", model)
        return self.run(PYTHON, *up, *options, **more)

    def up(self, *options: str, **more: str) -> dict[str, Any]:
        """The same, which must succeed; what it told."""
        done = self.try_up(*options, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        self.told = json.loads(done.stdout.splitlines()[-1])
        return self.told

    def casemate(self, *arguments: str) -> Done:
        """The installed program."""
        return self.run(self.home / "envs" / "services" / "bin" / "casemate", *arguments)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.casemate("status", "--json").stdout)
        return found

    def access_token(self) -> str:
        """A new one, as a script gets it."""
        done = self.casemate("token")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def stream(self, token: str) -> list[str]:
        """A question straight to the gateway; the lines of its streamed answer."""
        ask = (PYTHON, QUESTION, self.told["gateway_url"], self.told["model"])
        return self.run(*ask, text=token).stdout.splitlines()

    @property
    def containers(self) -> Containers:
        """What the engine runs of it."""
        return Containers(machine=self.machine, project=project_name(Places(home=self.home, uid=0)))

    def inspected(self) -> dict[str, Any]:
        """All that the engine tells of each service's container."""
        found = {name: self.containers.container(name) for name in ALL_SERVICES}
        told = json.loads(self.machine.docker("inspect", *found.values()).stdout)
        return dict(zip(found, told, strict=True))

    def forget(self) -> None:
        """Removes its programs, which no later run uses."""
        shutil.rmtree(self.home / "envs", ignore_errors=True)
        shutil.rmtree(self.home / "containers" / "wheels", ignore_errors=True)
