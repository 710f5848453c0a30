"""An instance and a gateway of a moment beside the containers that run, over a backup's content.

They are what those are, on the same two networks and so under the same lock, but with names,
volumes and ports of their own and a database that is a file. The model that runs answers them.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from install import beside, contents
from install.config import LOOPBACK, Config, write_private
from install.containers import filling, machine, operating, project
from install.containers.client import connect
from install.containers.project import Project
from install.containers.states import Containers, Waiting
from install.places import Places
from install.readiness import SERVICE_PATIENCE_S
from install.services import GATEWAY, INSTANCE
from install.weights import Model

# Before a service's name, so that nobody who looks for the running one finds this one.
PREFIX = "trial-"
EDGE, INSIDE = "edge", "inside"
SIGNS = "lockdown-signs"
STATES = {INSTANCE: "instance-state", GATEWAY: "gateway-state"}
PORTS = {INSTANCE: 8080, GATEWAY: 5052}
INSTANCE_URL = f"http://{PREFIX}{INSTANCE}.{INSIDE}:{PORTS[INSTANCE]}"
GATEWAY_URL = f"http://{PREFIX}{GATEWAY}.{INSIDE}:{PORTS[GATEWAY]}"
# Of here and not of the backup: the model server that answers knows only the key of now.
OWN_SECRETS = ("model_api_key", "postgres_password")
DATABASE_URL = "CASEMATE_DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is put up beside: `places` is its home, `settings` are what it is asked with."""

    places: Places
    settings: Config
    live: Project
    containers: Containers

    def ask(self, model: Model) -> str:
        """Starts it over the database that its volume holds by now, and has it answer a question.

        Raises:
            InstallError: it does not come up, or there was no answer.
        """
        here = self._project()

        def run(service: str, words: list[str], stdin: str) -> Any:
            return here.set_up(PREFIX + service, words, stdin)

        site = replace(filling.SITE, instance_url=INSTANCE_URL)
        contents.set_up(run, site, model, to_order=None)
        here.do("up", "--detach", "--no-build", "--pull", "never")
        Waiting(
            containers=self.containers,
            wanted={PREFIX + name: SERVICE_PATIENCE_S for name in STATES},
            before={},
            say=lambda _line: None,
        ).until_healthy()
        return beside.Beside(places=self.places, settings=self.settings).ask(model.ref).text

    def _project(self) -> Project:
        resolved = json.loads(self.live.do("config", "--format", "json"))
        told = definition(resolved, self.places, self.settings)
        file = self.places.containers / "compose.json"
        write_private(file, json.dumps(told, indent=2) + "\n")
        return replace(
            self.live,
            name=told["name"],
            folder=self.places.containers,
            files=(file,),
            profiles=(),
        )


def definition(resolved: Mapping[str, Any], scratch: Places, settings: Config) -> dict[str, Any]:
    """The compose project of the home `scratch`, after the running one's as it was resolved."""
    name = machine.project_name(scratch)
    ports = {INSTANCE: settings.instance_port, GATEWAY: settings.gateway_port}
    services = {}
    for service, port in ports.items():
        own = {k: v for k, v in resolved["services"][service].items() if k != "depends_on"}
        own["networks"] = {EDGE: None, INSIDE: {"aliases": [f"{PREFIX}{service}.{INSIDE}"]}}
        own["ports"] = [{"host_ip": LOOPBACK, "published": str(port), "target": PORTS[service]}]
        # Not again after a reboot, when nobody waits for it any more.
        own["restart"] = "on-failure:3"
        services[PREFIX + service] = own
    environment = services[PREFIX + INSTANCE]["environment"]
    services[PREFIX + INSTANCE]["environment"] = {
        **{key: value for key, value in environment.items() if key != DATABASE_URL},
        "CASEMATE_INSTANCE_PUBLIC_URL": settings.instance_url,
        "CASEMATE_GATEWAY_PUBLIC_URL": settings.gateway_url,
        "CASEMATE_AI_GATEWAY_URL": GATEWAY_URL,
    }
    folder = project.secrets_folder(scratch)
    return {
        "name": name,
        "services": services,
        "networks": {
            each: _external(resolved["networks"][each]["name"]) for each in (EDGE, INSIDE)
        },
        "volumes": {
            SIGNS: _external(resolved["volumes"][SIGNS]["name"]),
            **{each: _external(f"{name}_{each}") for each in STATES.values()},
        },
        "secrets": {each: {"file": str(folder / each)} for each in resolved["secrets"]},
    }


def _external(name: str) -> dict[str, Any]:
    return {"external": True, "name": name}


@contextmanager
def made(places: Places, settings: Config, scratch: Places) -> Iterator[Beside]:
    """Volumes and secrets of its own, for as long as the block lasts.

    `scratch` is a home that holds what the backup brought; what `databases.restore` puts into it
    is what `ask` then starts over.

    Raises:
        InstallError: the engine cannot be used.
    """
    live, _ = operating.open_project(places, settings)
    client = connect(live.engine.address)
    containers = Containers(client, machine.project_name(scratch))
    for name in OWN_SECRETS:
        own = project.secrets_folder(places) / name
        shutil.copy2(own, project.secrets_folder(scratch) / name)
    shutil.copy2(project.services_file(places), project.services_file(scratch))
    asked_with = replace(beside.settings_of(settings), containers=True)
    containers.remove_all()
    try:
        for each in STATES.values():
            containers.make_volume(each)
        yield Beside(places=scratch, settings=asked_with, live=live, containers=containers)
    finally:
        containers.remove_all()
