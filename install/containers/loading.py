"""The images of a home that runs from bundles: loaded, and removed once no slot needs them."""

import json
import os

from install.bundle.opened import Bundle, OnBytes
from install.config import write_private
from install.containers import carried
from install.containers import engine as engines
from install.containers.carried import Loader
from install.containers.engine import Engine
from install.places import Places
from install.slots import slot

REMEMBERED = "loaded.json"
# How the engine's client puts it that there is nothing to remove.
NOT_THERE = "no such image"
NAMELESS = "sha256:"


def load(bundle: Bundle, places: Places, on_bytes: OnBytes) -> dict[str, str]:
    """Loads every image of the bundle; returns their tags by service.

    Images of other slots stay, for the way back.

    Raises:
        InstallError: one is not what the manifest says, or the engine did not take it.
    """
    engine = engines.find(os.environ)
    places.containers.mkdir(mode=0o700, exist_ok=True)
    loader = Loader(bundle=bundle, engine=engine, on_bytes=on_bytes)
    for image in bundle.manifest.images:
        # First, so that a cut leaves nothing that nobody knows of.
        _remember(places, image.tag)
        there = carried.look(image.tag, engine)
        if there is not None and there["Id"] != image.identity:
            # A tag that moves on leaves its image without a name.
            _remember(places, str(there["Id"]))
        loader.put_in(image)
    return {image.service: image.tag for image in bundle.manifest.images}


def forget(places: Places) -> tuple[str, ...]:
    """Removes the images that were loaded for this home and are of none of its slots any more.

    Returns those that were removed; one that runs is left for the next time.

    Raises:
        InstallError: there may be some, and the engine cannot be used.
    """
    names = _remembered(places)
    if not names:
        return ()
    engine = engines.find(os.environ)
    used = {
        tag
        for name in slot.NAMES
        if (facts := slot.read(places.slots / name)) is not None
        for tag in facts.images.values()
    }
    removed = [name for name in names if name not in used and _remove(name, engine)]
    _write(places, [name for name in names if name not in removed])
    return tuple(removed)


def _remove(name: str, engine: Engine) -> bool:
    there = carried.look(name, engine)
    if name.startswith(NAMELESS) and there and there.get("RepoTags"):
        # It has got its name back.
        return False
    done = carried.docker(engine, "image", "rm", name)
    return done.returncode == 0 or NOT_THERE in done.stderr.lower()


def _remember(places: Places, name: str) -> None:
    names = _remembered(places)
    if name not in names:
        _write(places, [*names, name])


def _remembered(places: Places) -> list[str]:
    try:
        found = json.loads((places.containers / REMEMBERED).read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [str(each) for each in found]


def _write(places: Places, names: list[str]) -> None:
    write_private(places.containers / REMEMBERED, json.dumps(names) + "\n")
