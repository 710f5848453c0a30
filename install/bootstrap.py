"""From a bare Python 3.11 and a clone to the installed program; standard library only."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from install import environments, keepers, locking, preflight
from install.config import Config, load, resolve
from install.environments import Environment
from install.errors import (
    INTERRUPTED,
    UNFIT,
    FromBundleError,
    InstallError,
    InterruptError,
    NotInstalledError,
)
from install.homes import home_of
from install.options import Handover, parse_up
from install.places import Places, make_folders
from install.progress import CONTAINER_STEPS, STEPS, Display, complain, size
from install.slots import slot
from install.tls import checking
from install.units import machine

CLONE = Path(__file__).resolve().parent.parent
USAGE = """usage: python3 -m install COMMAND …

  up     set up what is missing, start the services, ask a first question (up --help)
  bundle make or look into a bundle, the signed file that a box without a network takes
         (bundle --help)
  test   set up what the tests need, then run all checks and tests

Every other command is handed to the installed program: down, status, logs, ask, models, licence,
seats, explain, setup, usage, audit, tls, token, users, version. After `up` the same program is
HOME/envs/services/bin/casemate.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit code unless the installed program takes over."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return _run(list(arguments))
    except InstallError as error:
        complain(error.sentence)
        if "--json" in arguments:
            print(json.dumps({"error": {"code": error.code, "message": error.sentence}}))
        return error.exit_code
    except InterruptError:
        complain("interrupted; what is half made is made again by the next `up`.")
        return INTERRUPTED


def _run(arguments: list[str]) -> int:  # noqa: RET503  # hand_over does not come back
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(USAGE, end="")
        return 0 if arguments else UNFIT
    if arguments[0] == "test":
        from install.testing import run_tests

        return run_tests(CLONE, arguments[1:])
    if arguments[0] == "bundle":
        from install.bundle import program

        return program.main(arguments[1:], carried=None)
    if arguments[0] == "up":
        up(arguments[1:])
    hand_over(find_places(), arguments)


def find_places() -> Places:
    """The home meant by the environment."""
    uid = os.geteuid()
    return Places(home=home_of(os.environ, uid=uid, prefix=sys.prefix), uid=uid)


def up(arguments: list[str]) -> NoReturn:
    """Checks the machine, makes the services' environment, and lets it go on.

    Raises:
        InstallError: nothing was installed when its exit code is 2.
    """
    began = time.time()
    options = parse_up(arguments)
    places = find_places()
    if slot.current(places) is not None:
        raise FromBundleError(places.slot)
    steps = CONTAINER_STEPS if options.compose else STEPS
    display = Display.on(sys.stderr if options.json else sys.stdout, steps=steps)
    with display.step(steps[0]) as step:
        config = checking.settle(resolve(options.flags, os.environ, load(places.config)))
        step.result = check_machine(places, config)
    make_folders(places)
    lock = locking.take(places)
    with display.step(steps[1]) as step:
        environment = services_environment(places)
        if not environment.follows_lock() and keepers.stop(places, stays_down=False):
            display.note("The services stop while their environment is exchanged.")
        made = environments.make(environment, step)
        step.detail = "the product itself"
        environments.build_wheel(environment, CLONE, places.wheels)
        changed = environments.put_wheel(environment, places.wheels)
        total = size(environments.folder_bytes(environment.folder))
        step.result = f"{total}, {'new' if made else 'new sources' if changed else 'as it was'}"
    os.set_inheritable(lock, True)  # noqa: FBT003  # the library's signature
    handover = Handover(lock=lock, began=began).text()
    hand_over(places, ["up", *arguments, "--handover", handover])


def check_machine(places: Places, config: Config) -> str:
    """Returns what was found, for people.

    Raises:
        UnfitMachineError: with every problem at once.
        InstallError: for containers, the engine cannot be used.
    """
    preflight.check_kind(places, config)
    if config.containers:
        from install.containers import machine as engines

        return engines.check(places, config, os.environ)
    device = preflight.find_device(config.device)
    machine.check(places, config)
    facts = preflight.check(places, config, device=device)
    kind = "NVIDIA GPU" if device == "cuda" else "CPU"
    return f"{os.cpu_count()} cores, {kind}, {size(facts.free_bytes)} of disk free"


def services_environment(places: Places) -> Environment:
    """The environment that the program itself runs in."""
    lock = environments.LOCKS / "services.lock"
    return Environment(folder=places.services, lock=lock, scratch=places.logs)


def hand_over(places: Places, arguments: list[str]) -> NoReturn:
    """Lets the installed program take this process's place.

    Raises:
        NotInstalledError: there is none yet.
    """
    python = places.services / "bin" / "python"
    if not (places.services / "stamp.json").exists():
        raise NotInstalledError(places.home)
    environment = {**os.environ, "CASEMATE_HOME": str(places.home), "PYTHONSAFEPATH": "1"}
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTHONHOME", None)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [str(python), "-P", "-m", "install.cli", *arguments]
    os.execve(command[0], command, environment)  # noqa: S606  # no shell is wanted


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise InterruptError
