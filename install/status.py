"""What runs and what does not, as the supervisor, the services and the model server tell it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from install import keepers, processes, stopping
from install.api import is_ready
from install.config import Config
from install.errors import FAILED, STOPPED
from install.places import Places
from install.running import Running, started
from install.services import GATEWAY, INSTANCE, MODEL_SERVER, NAMES, plan
from install.tls.keeping import Shown, shown

READINESS = {INSTANCE: "/-/readiness", GATEWAY: "/monitoring/ready"}

State = Literal["ready", "degraded", "stopped"]

SINCE_BOOT = "stopped since boot; `casemate up` starts everything again"
KILLED = "the supervisor was killed; `casemate up` starts everything again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """One service; `since` is in seconds since the epoch, 0 and a pid of 0 while it is down."""

    name: str
    state: str
    pid: int
    since: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One model as the model server tells it; `reason` is a sentence when it is not well.

    `since` is when it entered its state, in seconds since the epoch.
    """

    ref: str
    state: str
    reason: str | None
    restarts: int
    port: int
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole appliance; `note` says why it is down when that is known.

    `egress_refused` counts attempts to leave the machine; None when no ledger could be read.
    """

    home: str
    state: State
    note: str | None
    services: tuple[ServiceState, ...]
    models: tuple[ModelState, ...]
    is_demo_licence: bool = False
    certificates: tuple[Shown, ...] = ()
    egress_refused: int | None = None

    @property
    def exit_code(self) -> int:
        """For scripts: 0 all ready, 1 degraded, 3 stopped."""
        return {"ready": 0, "degraded": FAILED, "stopped": STOPPED}[self.state]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def look(places: Places, config: Config, *, probe: Callable[[str], bool] | None = None) -> Status:
    """Looks at everything once."""
    asks = probe or (lambda url: is_ready(url, places.home))
    running = keepers.running(places, config)
    if running is None:
        note = None if config.systemd else _why_stopped(places)
        return judge(places, config, running={}, models=(), note=note)
    models = read_models(places) if running[MODEL_SERVER].state == "running" else ()
    ready = {
        name: asks(f"{service.address}{READINESS[name]}")
        for name, service in zip(NAMES, plan(places, config), strict=True)
        if name in READINESS and running[name].state == "running"
    }
    return judge(places, config, running=running, models=models, ready=ready)


def judge(
    places: Places,
    config: Config,
    *,
    running: Mapping[str, Running],
    models: tuple[ModelState, ...],
    ready: Mapping[str, bool] | None = None,
    note: str | None = None,
) -> Status:
    """Puts what was found together."""
    found = {**(ready or {}), MODEL_SERVER: bool(models)}
    services = []
    for service in plan(places, config):
        process = running.get(service.name)
        state = _word(process, is_ready=found.get(service.name, False))
        services.append(
            ServiceState(
                name=service.name,
                state=state,
                pid=process.pid if process else 0,
                since=process.since if process and process.pid else 0,
                address=service.address,
            )
        )
    states = {service.state for service in services}
    well = states == {"ready"} and all(model.state == "ready" for model in models)
    whole: State = "ready" if well else "stopped" if states == {"stopped"} else "degraded"
    return Status(
        home=str(places.home),
        state=whole,
        note=note,
        services=tuple(services),
        models=models,
        certificates=shown(places, config),
    )


def _word(process: Running | None, *, is_ready: bool) -> str:
    if process is None or process.state in {"stopped", "exited"}:
        return "stopped"
    if process.state in {"backoff", "fatal"}:
        return "failing"
    if process.state == "running":
        return "ready" if is_ready else "not ready"
    return process.state


def read_models(places: Places) -> tuple[ModelState, ...]:
    """What the model server last wrote; empty before its first word."""
    try:
        return parse_models((places.model_state / "state.json").read_bytes())
    except OSError:
        return ()


def parse_models(text: bytes) -> tuple[ModelState, ...]:
    """The models in the model server's file; empty when it is none."""
    try:
        found = json.loads(text)["models"]
        return tuple(
            ModelState(
                ref=each["ref"],
                state=each["state"],
                reason=each.get("reason"),
                restarts=int(each.get("restarts", 0)),
                port=int(each.get("port") or 0),
                since=int(each.get("since") or 0),
            )
            for each in found
        )
    except (ValueError, KeyError, TypeError):
        return ()


def _why_stopped(places: Places) -> str | None:
    boot = started(places).get("boot", {}).get("id")
    if boot is None:
        return None
    if boot != processes.boot_id():
        return SINCE_BOOT
    return None if stopping.find_supervisor(places) else KILLED
