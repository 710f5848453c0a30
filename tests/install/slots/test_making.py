import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from install.bundle.opened import Bundle, opened
from install.errors import PackagesError
from install.places import Places
from install.progress import Step
from install.slots import making, slot
from install.slots.making import Maker
from install.slots.slot import Slot
from tests.install.slots.conftest import a_slot
from tests.small_bundle import REF, the_bundle


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return the_bundle(tmp_path_factory.mktemp("carried") / "casemate.bundle")


@pytest.fixture
def bundle(path: Path) -> Iterator[Bundle]:
    with opened(path) as found:
        yield found


@pytest.fixture
def maker(places: Places, bundle: Bundle) -> Maker:
    return Maker(places=places, bundle=bundle)


@pytest.fixture
def step() -> Step:
    return Step(title="Program", began=0)


def the_facts(bundle: Bundle) -> Slot:
    return Slot(release="0.2.0", schema_generation=1, bundle=bundle.digest, device="cpu", models=())


def test_a_slot_stands_on_packages_of_its_lock(maker: Maker, places: Places, step: Step) -> None:
    packages = [maker.packages(kind, step) for kind in ("services", "model-server-cpu")]
    maker.slot(places.slots / "b", the_facts(maker.bundle), packages)
    for name in ("services", "model-server"):
        python = places.slots / "b" / name / "bin" / "python"
        words = "import dependency, own, sys; print(dependency.__file__, sys.prefix)"
        told = subprocess.check_output([python, "-P", "-c", words], text=True).split()
        assert told[0].startswith(f"{places.packages}/{name}-")
        assert told[1] == str(places.slots / "b" / name)
    assert slot.read(places.slots / "b") == the_facts(maker.bundle)
    assert not list(places.packages.glob(".wheels*"))


def test_packages_of_the_same_lock_are_made_once(maker: Maker, step: Step) -> None:
    first = maker.packages("services", step)
    stamp = (first.folder / "stamp.json").stat().st_mtime_ns
    assert maker.packages("services", step) == first
    assert (first.folder / "stamp.json").stat().st_mtime_ns == stamp
    assert step.result.endswith("as it was")


def test_half_made_packages_are_made_again(maker: Maker, step: Step) -> None:
    first = maker.packages("services", step)
    (first.folder / "stamp.json").unlink()
    maker.packages("services", step)
    assert (first.folder / "stamp.json").exists()


def test_packages_that_cannot_be_made_leave_nothing(
    maker: Maker, places: Places, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        what = "Installing packages"
        raise PackagesError(what, "No space left on device")

    monkeypatch.setattr("install.environments.install", refuse)
    with pytest.raises(PackagesError):
        maker.packages("services", step)
    assert [path.suffix for path in places.packages.iterdir()] == [".lock"]


def test_weights_lie_in_a_folder_that_their_content_names(
    maker: Maker, places: Places, step: Step
) -> None:
    (model,) = maker.weights(step)
    folder = Path(model.path)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert folder.parent == places.models
    assert folder.name.startswith(f"{REF}@")
    before = folder.stat().st_ino
    assert maker.weights(step) == (model,)
    assert folder.stat().st_ino == before


def test_weights_that_were_cut_are_gone_on_with(maker: Maker, step: Step) -> None:
    (model,) = maker.weights(step)
    folder = Path(model.path)
    half = folder.with_name(f".{folder.name}")
    folder.rename(half)
    (half / "model.safetensors").unlink()
    assert maker.weights(step) == (model,)
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert not half.exists()


def test_what_no_slot_stands_on_is_removed(places: Places) -> None:
    a_slot(places, "a")
    for name in ("services-1", "model-server-cpu-1", "services-2"):
        (places.packages / name).mkdir(parents=True)
        (places.packages / f"{name}.lock").touch()
    making.forget_unused(places)
    found = {path.name for path in places.packages.iterdir()}
    assert found == {
        *("services-1", "services-1.lock"),
        *("model-server-cpu-1", "model-server-cpu-1.lock"),
    }


def test_a_slot_is_made_anew_when_it_is_another(maker: Maker, places: Places, step: Step) -> None:
    packages = [maker.packages("services", step)]
    maker.slot(places.slots / "b", the_facts(maker.bundle), packages)
    left = places.slots / "b" / "left"
    left.touch()
    facts = replace(the_facts(maker.bundle), device="cuda")
    maker.slot(places.slots / "b", facts, packages)
    assert not left.exists()
    assert slot.read(places.slots / "b") == facts


def test_nothing_is_removed_while_a_slot_cannot_say_what_it_stands_on(places: Places) -> None:
    kept = places.packages / "services-1"
    kept.mkdir(parents=True)
    a_slot(places, "a")
    (places.slots / "a" / slot.FACTS).write_text("")
    making.forget_unused(places)
    assert kept.is_dir()
