"""Makes the images of one home: what each is made from, what is missing, fetching and building."""

import json
from dataclasses import dataclass
from pathlib import Path

from install.config import Config, write_private
from install.containers.contexts import Recipe, Wheels
from install.containers.gpus import Device
from install.containers.images import Images, Say, Wanted
from install.containers.project import LOCKDOWN, POSTGRES, postgres_image, sources
from install.containers.toolbox import SERVICE as TOOLBOX
from install.containers.wheels import Shelf
from install.environments import LOCKS
from install.progress import CONTAINER_STEPS, Display, size
from install.release import release
from install.services import GATEWAY, INSTANCE, MODEL_SERVER

DOCKERFILES = {
    LOCKDOWN: "install/lockdown/Dockerfile",
    INSTANCE: "appliance/Dockerfile",
    GATEWAY: "gateway/Dockerfile",
    MODEL_SERVER: "model_server/Dockerfile",
    TOOLBOX: "install/toolbox/Dockerfile",
}

# What building an image takes on the engine's disk at most, the wheels that are sent included:
# measured, rounded up.
BUILD_BYTES = {
    LOCKDOWN: 100_000_000,
    INSTANCE: 600_000_000,
    GATEWAY: 400_000_000,
    f"{MODEL_SERVER} cpu": 8_000_000_000,
    f"{MODEL_SERVER} cuda": 50_000_000_000,
    TOOLBOX: 10_000_000,
}


def recipe(service: str, *, device: Device) -> Recipe:
    """What a service's image is made from."""
    lock, arguments = service, {"VERSION": release()}
    if service == TOOLBOX:
        return Recipe(
            service=service,
            root=sources(),
            dockerfile=sources() / DOCKERFILES[service],
            locks={},
            arguments=arguments,
        )
    if service == MODEL_SERVER:
        lock = f"{service}-{device.kind}"
        arguments["DEVICE"] = device.kind
    return Recipe(
        service=service,
        root=sources(),
        dockerfile=sources() / DOCKERFILES[service],
        locks={"pip": LOCKS / "pip.lock", service: LOCKS / f"{lock}.lock"},
        arguments=arguments,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes images in `images` out of the wheels on `shelf`; `folder` is for what it remembers.

    `has_toolbox` makes the one that stands in for Python as well, for a machine that has none.
    """

    settings: Config
    device: Device
    images: Images
    shelf: Shelf
    folder: Path
    has_toolbox: bool = False

    def make(self, display: Display) -> dict[str, str]:
        """Fetches and builds what is missing; returns the image of each service.

        Raises:
            InstallError: one could not be made; nothing half made is left.
        """
        with display.step(CONTAINER_STEPS[2]) as step:
            wanted = self._wanted(lambda text: setattr(step, "detail", text))
            self.images.sweep()
            missing = [each for each in wanted if self.images.id_of(each.tag) is None]
            self.images.check_room(sum(self._bytes(each) for each in missing))
            wheels: dict[str, Wheels] = {
                each.recipe.service: {
                    folder: self.shelf.fetch(lock, step)
                    for folder, lock in each.recipe.locks.items()
                }
                for each in missing
            }
            step.result = _counted(list(wheels.values()))
        with display.step(CONTAINER_STEPS[3]) as step:
            for each in missing:
                name = each.recipe.service

                def say(line: str, name: str = name) -> None:
                    step.detail = f"{name}: {line}"

                self.images.build(each, wheels[name], say)
            given = self._given(lambda text: setattr(step, "detail", text))
            names = ", ".join(each.recipe.service for each in missing)
            step.result = f"built {names}" if missing else "all there"
        self.shelf.forget_all_but(lock for each in wanted for lock in each.recipe.locks.values())
        return {**{each.recipe.service: each.tag for each in wanted}, **given}

    def _wanted(self, say: Say) -> list[Wanted]:
        base, model_base = self.settings.base_images
        names = [LOCKDOWN, INSTANCE, GATEWAY]
        if self.settings.model_server_image is None:
            names.append(MODEL_SERVER)
        if self.has_toolbox:
            names.append(TOOLBOX)
        remembered = self._remembered()
        found = []
        for name in names:
            used = model_base if name == MODEL_SERVER else base
            base_id = self.images.base_id(used, say, remembered=remembered.get(used))
            remembered[used] = base_id
            made = recipe(name, device=self.device)
            found.append(Wanted(recipe=made, base=used, made_from=made.digest(base_id)))
        write_private(self._bases, json.dumps(remembered))
        return found

    @property
    def _bases(self) -> Path:
        return self.folder / "bases.json"

    def _remembered(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._bases.read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    def _given(self, say: Say) -> dict[str, str]:
        """The images that are used as they are; pulled when they are not here."""
        given = {}
        if self.settings.model_server_image is not None:
            given[MODEL_SERVER] = self.settings.model_server_image
        postgres = postgres_image(self.settings)
        if postgres is not None:
            given[POSTGRES] = postgres
        for name in given.values():
            if self.images.id_of(name) is None:
                self.images.pull(name, say)
        return given

    def _bytes(self, wanted: Wanted) -> int:
        name = wanted.recipe.service
        return BUILD_BYTES.get(name) or BUILD_BYTES[f"{name} {self.device.kind}"]


def _counted(wheels: list[Wheels]) -> str:
    found = {path for each in wheels for paths in each.values() for path in paths}
    if not found:
        return "nothing to fetch"
    return f"{len(found)} wheels, {size(sum(path.stat().st_size for path in found))}"
