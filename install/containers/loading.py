"""The images of a home that runs from bundles: loaded, and removed once no slot needs them."""

import hashlib
import json
import os

from install.bundle.opened import Bundle, OnBytes
from install.config import write_private
from install.containers import carried, machine
from install.containers import engine as engines
from install.containers.carried import Loader
from install.containers.engine import Engine
from install.containers.errors import ImageLoadError
from install.places import Places
from install.slots import slot

REMEMBERED = "loaded.json"
# How the engine's client puts it that there is nothing to remove.
NOT_THERE = "no such image"
NAMELESS = "sha256:"
# Homes that have the same bundle share its images on one engine, under the tags of its manifest.
# Each gives them a second name here, which tells the others that a home needs them.
HOMES = "casemate-homes/"


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
        done = carried.docker(engine, "image", "tag", image.tag, _own_name(image.tag, places))
        if done.returncode != 0:
            raise ImageLoadError(image.service, done.stderr.strip())
    return {image.service: image.tag for image in bundle.manifest.images}


def forget(places: Places) -> tuple[str, ...]:
    """Removes the images that were loaded for this home and are of none of its slots any more.

    Returns those that it gave up; one that another home needs is left to that home, and one that
    runs for the next time.

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
    removed = [name for name in names if name not in used and _give_up(name, places, engine)]
    _write(places, [name for name in names if name not in removed])
    return tuple(removed)


def _own_name(tag: str, places: Places) -> str:
    return f"{HOMES}{machine.project_name(places)}:{_mark(tag)}"


def _mark(tag: str) -> str:
    return hashlib.sha256(tag.encode()).hexdigest()[:12]


def _give_up(name: str, places: Places, engine: Engine) -> bool:
    if name.startswith(NAMELESS):
        # Unless it has got its name back.
        return not _names(name, engine) and _remove(name, engine)
    # Our own name first: the engine keeps what runs only under the last name that it has.
    if not _remove(_own_name(name, places), engine):
        return False
    end = f":{_mark(name)}"
    is_needed = any(each.startswith(HOMES) and each.endswith(end) for each in _names(name, engine))
    return is_needed or _remove(name, engine)


def _names(name: str, engine: Engine) -> list[str]:
    there = carried.look(name, engine)
    return (there and there.get("RepoTags")) or []


def _remove(name: str, engine: Engine) -> bool:
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
