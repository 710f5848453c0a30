"""From a bare Python 3.11 and a clone to the environment that building runs in."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from install import bootstrap, environments, locking
from install.building.order import MODEL_SERVERS, Order
from install.places import Places, make_folders
from install.progress import Display, size
from install.weights import STARTER_REF

STEPS = (
    "Program environment",
    "Packages",
    "Models",
    "Images",
    "Licences and list of parts",
    "Digests",
    "Write the bundle",
)


def start(options: argparse.Namespace, clone: Path) -> NoReturn:
    """Makes the environment that builds, and lets it take this process's place.

    It lies in the work folder, so that whatever runs on this machine is left as it is.

    Raises:
        InstallError: nothing was built.
    """
    if clone != bootstrap.CLONE:
        _let_clone_start(options, clone)
    places = Places(home=_work(options), uid=os.geteuid())
    make_folders(places)
    lock = locking.take(places)
    display = Display.on(sys.stderr if options.json else sys.stdout, steps=STEPS)
    with display.step(STEPS[0]) as step:
        environment = bootstrap.services_environment(places)
        environments.make(environment, step)
        step.detail = "the product itself"
        environments.build_wheel(environment, clone, places.wheels)
        environments.put_wheel(environment, places.wheels)
        step.result = size(environments.folder_bytes(environment.folder))
    os.set_inheritable(lock, True)  # noqa: FBT003  # the library's signature
    said = words(options, clone)
    command = [str(environment.python), "-P", "-m", "install.cli", "bundle", "build", *said]
    home = str(bootstrap.find_places().home)
    _become([*command, "--handover", str(lock)], {"CASEMATE_HOME": home})


def order(options: argparse.Namespace, clone: Path) -> Order:
    """What the options ask for."""
    models = tuple(folder.absolute() for folder in options.model or ())
    return Order(
        clone=clone,
        uid=os.geteuid(),
        work=_work(options),
        out=options.out.absolute(),
        key=options.key.absolute(),
        devices=() if options.only_models else MODEL_SERVERS[options.device],
        models=models if models or options.no_model else None,
        family=options.family,
        ready=bootstrap.find_places().models / STARTER_REF,
        has_program=not options.only_models,
        has_images=options.images,
        torch_index=options.torch_index,
        base_image=options.base_image,
    )


def words(options: argparse.Namespace, clone: Path) -> list[str]:
    """The options again, for another program in another folder."""
    found = ["--sources", str(clone), "--work", str(_work(options))]
    found += ["--out", str(options.out.absolute()), "--key", str(options.key.absolute())]
    found += ["--device", options.device, "--family", options.family]
    for folder in options.model or ():
        found += ["--model", str(folder.absolute())]
    for name in ("torch_index", "base_image"):
        if getattr(options, name) is not None:
            found += [f"--{name.replace('_', '-')}", getattr(options, name)]
    for name in ("no_model", "only_models", "images", "force", "json"):
        if getattr(options, name):
            found.append(f"--{name.replace('_', '-')}")
    return found


def _work(options: argparse.Namespace) -> Path:
    told: Path | None = options.work
    return (told or bootstrap.find_places().home / "building").absolute()


def _let_clone_start(options: argparse.Namespace, clone: Path) -> NoReturn:
    # The clone's own code knows its locks and its wheels; the folder of this program is not asked.
    command = [sys.executable, "-P", "-m", "install", "bundle", "build", *words(options, clone)]
    _become(command, {"PYTHONPATH": str(clone)})


def _become(command: list[str], more: dict[str, str]) -> NoReturn:
    kept = {name: v for name, v in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, {**kept, "PYTHONSAFEPATH": "1", **more})  # noqa: S606  # no shell
