"""What a person does with containers that are set up: stop, look, read logs, work on users."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from install.config import Config
from install.containers import engine as engines
from install.containers import machine, project
from install.containers.client import connect
from install.containers.engine import Engine
from install.containers.errors import EngineForbiddenError, EngineMissingError
from install.containers.filling import MODEL_URL
from install.containers.moment import Moment
from install.containers.project import LOCKDOWN, NAMES, POSTGRES, Project
from install.containers.states import Container, Containers, Waiting
from install.errors import SettingError, StoppedError
from install.places import Places
from install.readiness import SERVICE_PATIENCE_S
from install.services import GATEWAY, INSTANCE, MODEL_SERVER
from install.status import ModelState, ServiceState, State, Status

PYTHON = ("python3", "-m")
# Commands that need nothing but the database, so no network and no lock on one.
WITHOUT_OTHERS = frozenset({"database", "audit"})


def root_folder(engine: Engine) -> Path:
    """Where the engine keeps images and volumes."""
    return Path(str(engine.facts.get("DockerRootDir")))


def open_project(places: Places, config: Config) -> tuple[Project, Containers]:
    """The project and its containers, as the last `up` wrote them.

    Raises:
        InstallError: the engine cannot be used.
    """
    engine = engines.find(os.environ)
    here = project.find(places, config, engine)
    return here, Containers(connect(engine.address), machine.project_name(places))


def stop(places: Places, config: Config) -> int:
    """Ends and removes all containers, then the lock; volumes stay. Returns how many there were.

    Raises:
        InstallError: the engine cannot be used, or does not end one.
    """
    here, containers = open_project(places, config)
    forget_trial(places)
    count = sum(each.is_up for each in containers.services().values())
    take_down(here, containers)
    return count


def forget_trial(places: Places) -> None:
    """Removes what a trial of a backup left that was killed: it is on the networks of here.

    Raises:
        InstallError: the engine cannot be used.
    """
    scratch = Places(home=places.trial, uid=places.uid)
    engine = engines.find(os.environ)
    Containers(connect(engine.address), machine.project_name(scratch)).remove_all()


def take_down(here: Project, containers: Containers) -> None:
    """Ends and removes everything but volumes and images; the lock goes last.

    Raises:
        InstallError: the plugin failed.
    """
    containers.remove_one_offs()
    known = containers.services()
    here.do("down", "--remove-orphans")
    # The lock outlives its container on purpose; only now there is nothing left to lock.
    if LOCKDOWN in known:
        here.set_up(LOCKDOWN, ["install.lockdown", "remove"], "")


def start_database(places: Places, config: Config) -> bool:
    """Starts the project's own PostgreSQL alone, where that is the database; whether it was down.

    It is on no network that leads out, so the lock need not run.

    Raises:
        InstallError: the engine cannot be used, or it does not come up.
    """
    if not project.has_postgres(config):
        return False
    here, containers = open_project(places, config)
    found = containers.services()
    is_down = POSTGRES not in found or not found[POSTGRES].is_up
    if is_down:
        here.do("up", "--detach", "--no-build", "--pull", "never", POSTGRES)
    Waiting(
        containers=containers,
        wanted={POSTGRES: SERVICE_PATIENCE_S},
        before={each.identity: each.restarts for each in found.values()},
        say=lambda _line: None,
    ).until_healthy()
    return is_down


def look(places: Places, config: Config) -> Status:
    """What runs and what does not; an engine that is away runs nothing."""
    try:
        _, containers = open_project(places, config)
    except (EngineMissingError, EngineForbiddenError) as error:
        return judge(places, config, found={}, models=(), note=error.sentence)
    found = containers.services()
    server = found.get(MODEL_SERVER)
    models = containers.models(server) if server and server.is_up else ()
    return judge(places, config, found=found, models=models, note=None)


def judge(
    places: Places,
    config: Config,
    *,
    found: Mapping[str, Container],
    models: tuple[ModelState, ...],
    note: str | None,
) -> Status:
    """Puts what was found together."""
    addresses = {
        INSTANCE: config.instance_url,
        GATEWAY: config.gateway_url,
        MODEL_SERVER: MODEL_URL,
    }
    services = []
    for name in dict.fromkeys((*NAMES, *found)):
        container = found.get(name)
        services.append(
            ServiceState(
                name=name,
                state=container.word if container else "stopped",
                pid=container.pid if container else 0,
                since=container.since if container else 0,
                address=addresses.get(name, ""),
            )
        )
    states = {service.state for service in services}
    well = states == {"ready"} and all(model.state == "ready" for model in models)
    whole: State = "ready" if well else "stopped" if states == {"stopped"} else "degraded"
    return Status(
        home=str(places.home), state=whole, note=note, services=tuple(services), models=models
    )


def logs(places: Places, config: Config, service: str | None, *, follow: bool, lines: int) -> int:
    """Hands the containers' logs through; returns the plugin's exit code.

    Raises:
        SettingError: there is no such service.
    """
    here, containers = open_project(places, config)
    known = tuple(dict.fromkeys((*NAMES, *containers.services())))
    if service is not None and service not in known:
        sentence = f"There is no log {service!r}; there are {', '.join(known)}."
        raise SettingError(sentence)
    words = ["logs", "--no-color", "--tail", str(lines)]
    words += ["--follow"] if follow else []
    words += ["--no-log-prefix", service] if service else []
    return _hand_over(here, words)


def run_on_instance(places: Places, config: Config, words: Sequence[str]) -> int:
    """Runs `python -m appliance WORDS` in the instance's container, or in one of its own.

    Raises:
        StoppedError: nothing runs, the lock on the network neither.
    """
    here, containers = open_project(places, config)
    found = containers.services()
    command = [INSTANCE, *PYTHON, "appliance", *words]
    if INSTANCE in found and found[INSTANCE].status == "running":
        return _hand_over(here, ["exec", "-T", *command])
    if words[0] in WITHOUT_OTHERS and not project.has_postgres(config):
        image = project.image_of(places, INSTANCE)
        moment = Moment(places=places, config=config, engine=here.engine, image=image)
        return _run_alone(moment, words)
    if LOCKDOWN not in found or not found[LOCKDOWN].is_up:
        sentence = "The containers are stopped; `casemate up --compose` starts them."
        raise StoppedError(sentence)
    return _hand_over(here, ["run", "--rm", "--no-deps", "-T", "--pull", "never", *command])


def _run_alone(moment: Moment, words: Sequence[str]) -> int:
    sys.stdout.flush()
    done = subprocess.run(moment.command(words), env=moment.environment(), check=False)
    return done.returncode


def _hand_over(here: Project, words: list[str]) -> int:
    sys.stdout.flush()
    done = subprocess.run(here.command(*words), env=here.environment(), check=False)
    return done.returncode
