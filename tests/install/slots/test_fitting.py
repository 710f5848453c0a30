from dataclasses import replace

import pytest

from install.bundle.manifest import Installer, Manifest
from install.slots import fitting
from install.slots.fitting import DatabaseTooNewError, DeviceMissingError, OlderBundleError
from install.slots.slot import Slot

MANIFEST = Manifest(
    release="0.10.0",
    schema_generation=2,
    architecture="x86_64",
    python="3.11",
    made_at="2026-11-22T00:00:00Z",
    devices=("cpu",),
    entries=(),
    models=(),
    images=(),
    installer=Installer(digest="0" * 64, size=1),
)
CURRENT = Slot(release="0.9.0", schema_generation=1, bundle="a", device="cpu", models=())


def test_a_newer_release_and_the_same_one_may_come() -> None:
    fitting.check_release(MANIFEST, None)
    fitting.check_release(MANIFEST, CURRENT)
    fitting.check_release(MANIFEST, replace(CURRENT, release="0.10.0"))


@pytest.mark.parametrize("installed", ["0.10.1", "0.11.0", "1.0.0"])
def test_an_older_release_is_refused(installed: str) -> None:
    with pytest.raises(OlderBundleError, match="rollback"):
        fitting.check_release(MANIFEST, replace(CURRENT, release=installed))


@pytest.mark.parametrize("database", [None, 1, 2, 3])
def test_a_release_runs_on_the_database_of_the_next(database: int | None) -> None:
    fitting.check_database("0.2.0", 2, database=database)


def test_a_database_two_generations_ahead_is_refused() -> None:
    with pytest.raises(DatabaseTooNewError, match="generation 4"):
        fitting.check_database("0.2.0", 2, database=4)


def test_a_bundle_without_this_machines_model_server_is_refused() -> None:
    assert fitting.device_for(MANIFEST, "cpu") == "cpu"
    with pytest.raises(DeviceMissingError, match="--device cuda"):
        fitting.device_for(MANIFEST, "cuda")
