"""What `up --compose` takes from a bundle's slot instead of making it: images, and their device."""

from collections.abc import Mapping
from dataclasses import replace

from install.config import Config
from install.containers import carried, gpus
from install.containers.engine import Engine
from install.containers.errors import GpuMissingError, ImageGoneError, ImageMissingError
from install.containers.gpus import Device
from install.containers.project import NAMES, POSTGRES, postgres_image
from install.places import Places
from install.progress import CONTAINER_STEPS, Display
from install.services import MODEL_SERVER
from install.slots import slot
from install.slots.slot import Slot


def find(places: Places) -> Slot | None:
    """The slot in use, if its bundle brought images."""
    found = slot.current(places)
    return found if found is not None and found.images else None


def device(brought: Slot, settings: Config, engine: Engine) -> Device:
    """What the bundle's model server runs on.

    Raises:
        GpuMissingError: it needs a GPU that cannot be had, or one is asked for that it cannot use.
    """
    if brought.device != "cuda":
        if settings.gpus is not None or settings.device == "cuda":
            sentence = "A GPU was asked for, and the bundle's model server is made for the CPU."
            raise GpuMissingError(sentence)
        return Device(gpus=None)
    if settings.model_server_image is not None:
        return gpus.choose(settings, engine)
    return gpus.choose(replace(settings, device="cuda"), engine)


def take(brought: Slot, settings: Config, engine: Engine, *, display: Display) -> Mapping[str, str]:
    """The image of each service, once all are known to be there; nothing is fetched.

    Raises:
        ImageGoneError: one of the bundle's is not there any more.
        ImageMissingError: one that the bundle does not carry is not there.
    """
    with display.step(CONTAINER_STEPS[2]) as step:
        step.result = "in the bundle's images"
    with display.step(CONTAINER_STEPS[3]) as step:
        tags = {name: brought.images[name] for name in NAMES if name in brought.images}
        for tag in tags.values():
            if carried.look(tag, engine) is None:
                raise ImageGoneError(tag)
        given = _given(brought, settings)
        for tag in given.values():
            if carried.look(tag, engine) is None:
                raise ImageMissingError(tag, "no bundle brings it, and nothing is fetched")
        step.result = f"all there, of release {brought.release}"
    return {**tags, **given}


def _given(brought: Slot, settings: Config) -> dict[str, str]:
    given = {}
    if settings.model_server_image is not None:
        given[MODEL_SERVER] = settings.model_server_image
    wanted = postgres_image(settings)
    if wanted is not None:
        given[POSTGRES] = brought.images.get(POSTGRES, wanted)
    return given
