"""The three services of one appliance: how each is started, with what, and where it listens."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from install.config import HANDED_ON, LOOPBACK, Config, public_host
from install.environments import BUILD_RULES
from install.places import Places
from install.processes import RUN_MARK

INSTANCE = "instance"
GATEWAY = "gateway"
MODEL_SERVER = "model-server"
RENEWAL = "renewal"
NAMES = (INSTANCE, GATEWAY, MODEL_SERVER)

# Whose sources decide what a service does.
SOURCES: dict[str, tuple[str, ...]] = {
    INSTANCE: ("appliance", "gateway", BUILD_RULES),
    GATEWAY: ("gateway", BUILD_RULES),
    MODEL_SERVER: ("model_server", BUILD_RULES),
    RENEWAL: ("install", BUILD_RULES),
}

# What the services take over from whoever starts them; proxies and secrets are not among it.
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
KEPT_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "VLLM_", "OMP_", "NCCL_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service; `environment` may hold a database's password, so it is not in the repr.

    One that is not wanted is known to the supervisor and not started, so that wanting it later
    disturbs no other.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    address: str
    log: Path
    is_wanted: bool = True

    def __repr__(self) -> str:
        """Without the environment."""
        return f"Service({self.name!r}, {self.address!r})"


def plan(places: Places, config: Config) -> tuple[Service, ...]:
    """What is to run, in the order of `NAMES`."""
    urls = {
        INSTANCE: config.instance_url,
        GATEWAY: config.gateway_url,
        MODEL_SERVER: config.model_url,
    }
    modules = {INSTANCE: "appliance", GATEWAY: "gateway", MODEL_SERVER: "model_server"}
    return tuple(
        Service(
            name=name,
            command=(str(python_of(places, name)), "-P", "-m", modules[name], "serve"),
            environment=environment_of(places, config, name),
            address=urls[name],
            log=places.logs / f"{name}.log",
        )
        for name in NAMES
    )


def renewal(places: Places, config: Config) -> Service:
    """What renews certificates and makes backups while the services run."""
    return Service(
        name=RENEWAL,
        command=(str(places.services / "bin" / "python"), "-P", "-m", "install.timed"),
        environment={
            "CASEMATE_HOME": str(places.home),
            RUN_MARK: str(places.home),
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
        },
        address="",
        log=places.logs / f"{RENEWAL}.log",
        is_wanted=config.tls or config.ca is not None or places.backup_schedule.exists(),
    )


def python_of(places: Places, name: str) -> Path:
    """The interpreter of the environment that a service runs in."""
    folder = places.model_server if name == MODEL_SERVER else places.services
    return folder / "bin" / "python"


def environment_of(places: Places, config: Config, name: str) -> dict[str, str]:
    """What a service, and its set-up commands, find in their environment beside the system's."""
    ports = config.ports
    own = {
        INSTANCE: {
            "CASEMATE_INSTANCE_HOST": config.listen,
            "CASEMATE_INSTANCE_PORT": str(config.instance_port),
            "CASEMATE_INSTANCE_METRICS_PORT": str(ports["instance metrics"]),
            "CASEMATE_INSTANCE_PUBLIC_URL": public_url(config, INSTANCE),
            "CASEMATE_GATEWAY_PUBLIC_URL": public_url(config, GATEWAY),
            # The instance itself goes the short way.
            "CASEMATE_AI_GATEWAY_URL": config.gateway_url,
        },
        GATEWAY: {
            "CASEMATE_GATEWAY_HOST": config.listen,
            "CASEMATE_GATEWAY_PORT": str(config.gateway_port),
            "CASEMATE_GATEWAY_METRICS_PORT": str(ports["gateway metrics"]),
        },
        MODEL_SERVER: {
            "CASEMATE_MODEL_HOST": LOOPBACK,
            "CASEMATE_MODEL_PORT": str(config.model_port),
        },
    }[name]
    told = {k: value for k, value in config.handed_on.items() if name in HANDED_ON.get(k, ())}
    return {
        "CASEMATE_HOME": str(places.home),
        RUN_MARK: str(places.home),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        **own,
        **_tls(places, config, name),
        **told,
    }


def public_url(config: Config, name: str) -> str:
    """What others are told as the address of the instance or the gateway."""
    host = config.tls_told.get(name) or public_host(config)
    port = {INSTANCE: config.instance_port, GATEWAY: config.gateway_port}[name]
    return f"{config.scheme}://{host}:{port}"


def _tls(places: Places, config: Config, name: str) -> dict[str, str]:
    found = {}
    if name != MODEL_SERVER and (config.tls or config.ca):
        found["CASEMATE_CA_FILE"] = str(places.authorities)
    if name != MODEL_SERVER and config.tls:
        file = str(places.certificate(name))
        found |= {"CASEMATE_TLS_CERT_FILE": file, "CASEMATE_TLS_KEY_FILE": file}
    return found


def base_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a person's environment that the services start with."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES)
    }


def command_environment(service: Service) -> dict[str, str]:
    """The environment of a set-up command that acts for a service."""
    own = {name: value for name, value in service.environment.items() if name != RUN_MARK}
    return {**base_environment(os.environ), **own}


def fingerprint(service: Service, made_from: Mapping[str, str]) -> str:
    """Changes when the service has to be started anew; `made_from` is what else it depends on."""
    parts = [service.command, sorted(service.environment.items()), sorted(made_from.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
