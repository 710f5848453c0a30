from dataclasses import replace
from pathlib import Path

import pytest

from install.bundle.opened import opened
from install.containers import loading
from install.containers.carried import Loader
from install.containers.errors import ImageLoadError
from install.places import Places
from install.slots import slot
from install.slots.slot import Slot
from tests.fakes.docker_engine import FakeEngine
from tests.install.containers.builders import a_bundle_of, an_image, its_members, packed

GATEWAY = an_image("gateway", "casemate/gateway:1-abc")
INSTANCE = an_image("instance", "casemate/instance:1-abc")
NEWER = an_image("gateway", "casemate/gateway:2-def")


@pytest.fixture
def home(places: Places, engine: FakeEngine) -> Places:
    assert engine.images
    places.home.mkdir(parents=True, exist_ok=True)
    return places


def load(path: Path, places: Places) -> dict[str, str]:
    with opened(path) as bundle:
        return loading.load(bundle, places, lambda _: None)


def a_slot(places: Places, name: str, images: dict[str, str]) -> None:
    (places.slots / name).mkdir(parents=True, exist_ok=True)
    facts = Slot(
        release="0.2.0",
        schema_generation=1,
        bundle="0" * 64,
        device="cpu",
        models=(),
        images=images,
    )
    slot.write(places.slots / name, facts)


def test_every_image_is_loaded_and_named(home: Places, engine: FakeEngine, tmp_path: Path) -> None:
    tags = load(a_bundle_of(tmp_path, GATEWAY, INSTANCE), home)
    assert tags == {"gateway": GATEWAY.tag, "instance": INSTANCE.tag}
    assert set(tags.values()) <= set(engine.images)


def test_images_of_neither_slot_go_and_all_others_stay(
    home: Places, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.add_image("somebody/else:1")
    first = load(a_bundle_of(tmp_path, GATEWAY, INSTANCE), home)
    a_slot(home, "a", first)
    a_slot(home, "b", load(a_bundle_of(tmp_path / "..", NEWER), home))
    assert loading.forget(home) == ()
    a_slot(home, "a", {"instance": INSTANCE.tag})
    assert loading.forget(home) == (GATEWAY.tag,)
    assert {INSTANCE.tag, NEWER.tag, "somebody/else:1"} <= set(engine.images)
    assert loading.forget(home) == ()


def test_homes_that_share_a_bundle_leave_each_other_its_images(
    home: Places, engine: FakeEngine, tmp_path: Path
) -> None:
    other = replace(home, home=tmp_path / "other")
    other.home.mkdir()
    for each in (home, other):
        load(a_bundle_of(tmp_path, GATEWAY, INSTANCE), each)
    loading.forget(home)
    assert {GATEWAY.tag, INSTANCE.tag} <= set(engine.images)
    assert loading.forget(home) == ()
    load(a_bundle_of(tmp_path, GATEWAY), home)
    loading.forget(other)
    assert (GATEWAY.tag in engine.images, INSTANCE.tag in engine.images) == (True, False)
    loading.forget(home)
    assert not [each for each in engine.images if each.startswith("casemate")]


def test_an_image_that_goes_while_it_is_named_is_told(
    home: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another home removes it in between.
    monkeypatch.setattr(Loader, "put_in", lambda *_: None)
    with pytest.raises(ImageLoadError, match="No such image"):
        load(a_bundle_of(tmp_path, GATEWAY), home)


def test_one_that_is_in_use_is_left_for_the_next_time(
    home: Places, engine: FakeEngine, tmp_path: Path
) -> None:
    load(a_bundle_of(tmp_path, GATEWAY), home)
    engine.in_use.add(GATEWAY.tag)
    assert loading.forget(home) == ()
    engine.in_use.clear()
    assert loading.forget(home) == (GATEWAY.tag,)


def test_what_lost_its_name_to_another_build_goes_too(
    home: Places, engine: FakeEngine, tmp_path: Path
) -> None:
    load(a_bundle_of(tmp_path, GATEWAY), home)
    rebuilt = an_image("gateway", GATEWAY.tag, (b"rebuilt",))
    path = a_bundle_of(tmp_path, rebuilt, content=packed(its_members(GATEWAY.tag, (b"rebuilt",))))
    a_slot(home, "a", load(path, home))
    assert GATEWAY.identity in engine.images
    assert loading.forget(home) == (GATEWAY.identity,)
    assert engine.images[GATEWAY.tag]["Id"] == rebuilt.identity


def test_what_got_its_name_back_stays(home: Places, engine: FakeEngine, tmp_path: Path) -> None:
    rebuilt = an_image("gateway", GATEWAY.tag, (b"rebuilt",))
    again = packed(its_members(GATEWAY.tag, (b"rebuilt",)))
    load(a_bundle_of(tmp_path, GATEWAY), home)
    load(a_bundle_of(tmp_path, rebuilt, content=again), home)
    a_slot(home, "a", load(a_bundle_of(tmp_path, GATEWAY), home))
    loading.forget(home)
    assert engine.images[GATEWAY.tag]["Id"] == GATEWAY.identity


def test_nothing_was_loaded_and_nothing_is_forgotten(home: Places) -> None:
    assert loading.forget(home) == ()
