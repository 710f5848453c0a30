"""How much of a bundle must be put on which disk, and how much room is there."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from install.bundle.errors import ManifestError
from install.bundle.manifest import Entry, Manifest
from install.config import Config
from install.places import Places
from install.preflight.findings import Finding
from install.preflight.machine import RUNNING_BYTES
from install.preflight.probes import existing
from install.progress import size

# The wheels while they are unpacked, and what is in them at about twice their size.
PACKAGES_FACTOR = 3
# An image as the engine keeps it, unpacked, beside the file that it is loaded from.
IMAGES_FACTOR = 3
# The copies that a migration is tried on and that go before it.
DATABASE_COPIES = 3
DIGEST_CHARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one folder is to take."""

    folder: Path
    needed_bytes: int


def needs(
    places: Places, config: Config, manifest: Manifest, *, device: str, engine_root: Path | None
) -> tuple[Need, ...]:
    """What is still to be put where; what an earlier bundle brought already costs nothing."""
    kinds = ["services"] if config.containers else ["services", f"model-server-{device}"]
    wanted = [each for each in kinds if not _is_there(places, manifest, each)]
    wheels = sum(_total(manifest.below(f"wheels/{each}")) for each in wanted)
    found = [
        Need(folder=places.home, needed_bytes=RUNNING_BYTES + DATABASE_COPIES * _database(places)),
        Need(folder=places.packages, needed_bytes=PACKAGES_FACTOR * wheels),
        Need(folder=places.models, needed_bytes=_weights(places, manifest)),
    ]
    if config.containers and engine_root is not None:
        images = sum(manifest.entry(each.path).size for each in manifest.images)
        found.append(Need(folder=engine_root, needed_bytes=IMAGES_FACTOR * images))
    return tuple(found)


def look(wanted: Iterable[Need]) -> tuple[Finding, ...]:
    """A finding for each file system that takes something."""
    by_device: dict[int, list[Need]] = {}
    for need in wanted:
        by_device.setdefault(existing(need.folder).stat().st_dev, []).append(need)
    return tuple(_judge(together) for together in by_device.values())


def _judge(together: list[Need]) -> Finding:
    folder = together[0].folder
    needed = sum(each.needed_bytes for each in together)
    free = shutil.disk_usage(existing(folder)).free
    problem = f"{folder} has {size(free)} free, {size(needed)} are needed."
    return Finding(
        name=f"disk of {folder}",
        found=f"{size(free)} free, {size(needed)} to be used",
        problems=(problem,) if free < needed else (),
    )


def _is_there(places: Places, manifest: Manifest, kind: str) -> bool:
    try:
        digest = manifest.entry(f"locks/{kind}.lock").digest
    except ManifestError:
        return False
    return (places.packages / f"{kind}-{digest[:DIGEST_CHARS]}" / "stamp.json").exists()


def _weights(places: Places, manifest: Manifest) -> int:
    return sum(
        _total(manifest.below(model.folder))
        for model in manifest.models
        if not (places.models / folder_name(model.ref, model.digest)).is_dir()
    )


def folder_name(ref: str, digest: str) -> str:
    """What the folder of a model's weights is called, after its ref and its content."""
    return f"{ref.replace('/', '--')}@{digest[:DIGEST_CHARS]}"


def _total(entries: Iterable[Entry]) -> int:
    return sum(each.size for each in entries)


def _database(places: Places) -> int:
    files = (places.home / "instance").glob("*.db*") if places.home.is_dir() else ()
    return sum(each.stat().st_size for each in files)
