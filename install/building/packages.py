"""The packages of a bundle: wheels by hashed lock, and the product's own."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from install import environments
from install.building.errors import WheelsMissingError
from install.building.order import Order
from install.bundle import writing
from install.bundle.manifest import Entry
from install.containers.wheels import Shelf, listed, mend
from install.progress import Step

OWN = "casemate"


def gather(order: Order, shelf: Shelf, step: Step) -> dict[str, Path]:
    """The files by their paths in the bundle; fetches what is not there from an earlier build.

    Raises:
        PackagesError: pip did not find or could not verify one.
        TorchNotFoundError: torch's CPU build is wanted and is nowhere.
    """
    found = {}
    for name, lock in order.locks.items():
        found[f"locks/{name}.lock"] = lock
        found |= {f"wheels/{name}/{wheel.name}": wheel for wheel in shelf.fetch(lock, step)}
    if order.has_program:
        own = [*order.places.wheels.glob("*.whl"), order.places.wheels / "sources.json"]
        found |= {f"wheels/{OWN}/{path.name}": path for path in own}
    return found


def check(order: Order, entries: tuple[Entry, ...]) -> None:
    """Passes when the wheels are those that the locks list, all of them and no others.

    Raises:
        WheelsMissingError: something happened to them since they were fetched; what is not right
            is gone, and the next build fetches it.
    """
    wrong = {}
    for name, lock in order.locks.items():
        folder = f"wheels/{name}/"
        held = {each.digest for each in entries if each.path.startswith(folder)}
        differing = held ^ listed(lock)
        if differing:
            mend(order.work / "wheels", lock)
            wrong[lock.name] = len(differing)
    if wrong:
        raise WheelsMissingError(" and ".join(wrong), sum(wrong.values()))


@contextmanager
def readable(order: Order, sources: Mapping[str, Path]) -> Iterator[None]:
    """Within, wheels are read; `sources` are the files by their paths in the bundle.

    Raises:
        WheelsMissingError: one is damaged, as when the power fails; the next build fetches or
            makes it.
    """
    try:
        yield
    # What zipfile raises for a damaged file, and a wheel without its description.
    except (zipfile.BadZipFile, zlib.error, EOFError, StopIteration) as cause:
        wheels = {path: file for path, file in sources.items() if path.endswith(".whl")}
        try:
            check(order, writing.describe(wheels))
        except WheelsMissingError as error:
            raise error from cause
        for wheel in order.places.wheels.glob("*.whl"):
            wheel.unlink()
        raise WheelsMissingError(OWN, 1) from cause


def builder(order: Order) -> environments.Environment:
    """The environment whose pip fetches packages."""
    places, lock = order.places, order.lock("services")
    return environments.Environment(folder=places.services, lock=lock, scratch=places.logs)
