import io
from dataclasses import replace

import pytest

from install.config import Config
from install.containers import brought
from install.containers.engine import Engine
from install.containers.errors import GpuMissingError, ImageGoneError, ImageMissingError
from install.places import Places
from install.progress import CONTAINER_STEPS, Display
from install.slots import slot
from install.slots.slot import Slot
from tests.fakes.docker_engine import FakeEngine

IMAGES = {
    name: f"casemate/{name}:2-abc"
    for name in ("lockdown", "instance", "gateway", "model-server", "toolbox")
}
SLOT = Slot(
    release="2.0.0",
    schema_generation=1,
    bundle="0" * 64,
    device="cpu",
    models=(),
    images=IMAGES,
)
SERVED = {name: tag for name, tag in IMAGES.items() if name != "toolbox"}
POSTGRES = {"CASEMATE_DATABASE_URL": "postgresql://casemate@postgres.inside/casemate"}


def take(engine: Engine, settings: Config) -> dict[str, str]:
    display = Display(io.StringIO(), live=False, colour=False, steps=CONTAINER_STEPS)
    return dict(brought.take(SLOT, settings, engine, display=display))


@pytest.fixture
def loaded(engine: FakeEngine) -> FakeEngine:
    for tag in IMAGES.values():
        engine.add_image(tag)
    return engine


def test_a_slot_counts_when_it_is_in_use_and_has_images(places: Places) -> None:
    assert brought.find(places) is None
    (places.slots / "a").mkdir(parents=True)
    places.pointer.symlink_to("slots/a")
    slot.write(places.slots / "a", SLOT)
    assert brought.find(places) == SLOT
    slot.write(places.slots / "a", replace(SLOT, images={}))
    assert brought.find(places) is None


def test_the_services_run_what_the_bundle_brought(loaded: FakeEngine, found: Engine) -> None:
    assert loaded.images
    assert take(found, Config(containers=True)) == SERVED


def test_an_image_that_somebody_removed_is_named(loaded: FakeEngine, found: Engine) -> None:
    del loaded.images[IMAGES["gateway"]]
    with pytest.raises(ImageGoneError, match=r"gateway:2-abc is not .* apply the bundle again"):
        take(found, Config(containers=True))


def test_what_no_bundle_brings_must_be_there(loaded: FakeEngine, found: Engine) -> None:
    settings = Config(containers=True, handed_on=POSTGRES, model_server_image="own:1")
    with pytest.raises(ImageMissingError, match=r"own:1 .* nothing is fetched"):
        take(found, settings)
    loaded.add_image("own:1")
    loaded.add_image("postgres:15-bookworm")
    given = {"model-server": "own:1", "postgres": "postgres:15-bookworm"}
    assert take(found, settings) == {**SERVED, **given}


def test_a_bundle_for_the_cpu_takes_no_gpu(loaded: FakeEngine, found: Engine) -> None:
    loaded.info["Runtimes"] = {"nvidia": {}}
    assert brought.device(SLOT, Config(containers=True), found).gpus is None
    with pytest.raises(GpuMissingError, match="made for the CPU"):
        brought.device(SLOT, Config(containers=True, gpus="all"), found)


def test_a_bundle_for_gpus_needs_one(found: Engine) -> None:
    with_gpu = replace(SLOT, device="cuda")
    with pytest.raises(GpuMissingError, match="A GPU was asked for"):
        brought.device(with_gpu, Config(containers=True), found)
    own = Config(containers=True, model_server_image="own:1", device="cpu")
    assert brought.device(with_gpu, own, found).gpus is None
