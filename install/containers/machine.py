"""What must be true of a machine before the appliance runs on it as containers."""

import hashlib
import json
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from install import preflight
from install.config import Config
from install.containers import engine as engines
from install.containers import gpus
from install.containers.engine import Engine
from install.errors import UnfitMachineError
from install.places import Places
from install.progress import size

PROJECT_LABEL = "com.docker.compose.project"
DEFAULT_HOME = Path("/var/lib/casemate")
NAME = "casemate"


def project_name(places: Places) -> str:
    """What compose calls the containers and volumes of this home."""
    return NAME if places.home == DEFAULT_HOME else f"{NAME}-{_digest(places)[:8]}"


def bridge_name(places: Places) -> str:
    """The network interface that the published ports lie behind; at most 15 bytes."""
    return f"{NAME}-edge" if places.home == DEFAULT_HOME else f"{NAME}-{_digest(places)[:6]}"


def _digest(places: Places) -> str:
    return hashlib.sha256(bytes(places.home)).hexdigest()


def check(places: Places, config: Config, environment: Mapping[str, str]) -> str:
    """Returns what was found, for people.

    Raises:
        InstallError: the engine cannot be used, with its own code.
        UnfitMachineError: with every problem of the machine at once.
    """
    engine = engines.find(environment)
    device = gpus.choose(config, engine)
    facts = preflight.gather(places, config, device=device.kind)
    containers = containers_of(engine, {})
    own = [each for each in containers if _project_of(each) == project_name(places)]
    facts = replace(
        facts,
        # The supervisor's socket and environment are not used here.
        socket_path_bytes=0,
        memory_bytes=None if any(each["State"] == "running" for each in own) else free_memory(),
        taken=taken_ports(config, containers, project=project_name(places)),
    )
    found = preflight.problems(facts, device=device.kind)
    if found:
        raise UnfitMachineError(found)
    kind = "CPU" if device.gpus is None else f"GPU {device.gpus}"
    where = f"Docker {engine.version}, compose {engine.compose}"
    return f"{os.cpu_count()} cores, {kind}, {size(facts.free_bytes)} of disk free, {where}"


def free_memory() -> int:
    """What this machine can still give."""
    return preflight.free_memory(Path("/"))


def containers_of(engine: Engine, filters: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The engine's containers, stopped ones too, as its list has them."""
    asked = urllib.parse.quote(json.dumps(filters))
    found: list[dict[str, Any]] = engine.ask(f"/containers/json?all=1&filters={asked}")
    return found


def _project_of(container: Mapping[str, Any]) -> str | None:
    label: str | None = (container.get("Labels") or {}).get(PROJECT_LABEL)
    return label


def taken_ports(
    config: Config, containers: list[dict[str, Any]], *, project: str
) -> dict[int, str]:
    """Why each port that cannot be had cannot; those of our own containers do not count."""
    published = {
        port["PublicPort"]: container
        for container in containers
        for port in container.get("Ports") or ()
        if port.get("PublicPort")
    }
    found = {}
    for port in config.ports.values():
        holder = published.get(port)
        if holder is not None and _project_of(holder) == project:
            continue
        reason = preflight.why_not(config.listen, port)
        if reason and holder is not None:
            reason = f"is taken by the container {holder['Names'][0].lstrip('/')}"
        if reason:
            found[port] = reason
    return found
