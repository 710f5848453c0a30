"""One slot: an installed program of one release, with the models that it serves."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from install.config import write_private
from install.errors import InstallError
from install.places import Places

NAMES = ("a", "b")
FACTS = "slot.json"


class SlotDamagedError(InstallError):
    """The facts of a slot cannot be read."""

    code = "slot_damaged"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder / FACTS} cannot be read; apply the bundle again, which makes the slot anew."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotModel:
    """A model that a slot serves; `path` is the folder of its weights."""

    ref: str
    name: str
    family: str
    context_tokens: int | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a slot is made from; written last, so that a half-made one has none.

    `bundle` is the SHA-256 of the manifest that it came with. `schema_generation` counts the
    releases that changed the database's shape up to this one. `images` are container images' tags
    by service, empty for processes; `packages` are the environments that it stands on, by name.
    """

    release: str
    schema_generation: int
    bundle: str
    device: str
    models: tuple[SlotModel, ...]
    images: dict[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def read(folder: Path) -> Slot | None:
    """The slot at a folder; None when nothing of a bundle is there, or it is half made.

    Raises:
        SlotDamagedError: it cannot be read.
    """
    try:
        found = json.loads((folder / FACTS).read_text("utf-8"))
        models = tuple(SlotModel(**each) for each in found.pop("models"))
        packages = tuple(found.pop("packages", ()))
        return Slot(**found, models=models, packages=packages)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as cause:
        raise SlotDamagedError(folder) from cause


def whole(folder: Path) -> Slot | None:
    """The same, with one that cannot be read counted as none."""
    try:
        return read(folder)
    except SlotDamagedError:
        return None


def write(folder: Path, slot: Slot) -> None:
    """Says that a slot is whole."""
    write_private(folder / FACTS, json.dumps(asdict(slot), indent=2) + "\n")


def current(places: Places) -> Slot | None:
    """The slot in use; None where `up` made the program from a clone, or there is none."""
    return read(places.slot)


def other(places: Places) -> Path:
    """The slot that is not in use, which the next bundle goes to."""
    for name in NAMES:
        if places.slots / name != places.slot:
            return places.slots / name
    raise AssertionError
