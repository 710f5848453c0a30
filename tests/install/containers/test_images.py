from collections.abc import Iterator
from pathlib import Path

import pytest

from install.containers import images as module
from install.containers.client import connect
from install.containers.contexts import Recipe
from install.containers.errors import BuildError, DiskFullError, ImageMissingError
from install.containers.images import Images, Wanted
from tests.fakes.docker_engine import FakeEngine


@pytest.fixture
def images(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Images]:
    monkeypatch.setattr("install.containers.leftovers.SETTLED_S", 0.0)
    client = connect(f"unix://{engine.socket}")
    yield Images(client, root_folder=engine.folder, home="home")
    client.close()


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    recipe = Recipe(
        service="gateway",
        root=tmp_path,
        dockerfile=tmp_path / "Dockerfile",
        locks={},
        arguments={"VERSION": "1"},
    )
    return Wanted(recipe=recipe, base="local/base:1", made_from="0123456789abcdef")


def say(_: str) -> None:
    """Nobody listens."""


def test_an_image_is_built_without_a_network_and_named_by_its_contents(
    images: Images, wanted: Wanted, engine: FakeEngine
) -> None:
    engine.pullable.add("local/base:1")
    images.build(wanted, {}, say)
    query = engine.built[0]["query"]
    assert query["networkmode"] == "none"
    assert query["t"] == wanted.tag
    assert wanted.tag.endswith("-0123456789ab")
    assert '"BASE_IMAGE": "local/base:1"' in query["buildargs"]


def test_an_image_that_is_nowhere_is_named_with_the_reason(images: Images, wanted: Wanted) -> None:
    with pytest.raises(ImageMissingError, match=r"local/base:1 is not here.*no route.*docker load"):
        images.build(wanted, {}, say)


def test_a_base_image_that_is_gone_is_not_missed_while_nothing_is_built(images: Images) -> None:
    assert images.base_id("gone:1", say, remembered="sha256:1") == "sha256:1"


def test_a_build_that_runs_out_of_room_says_so_and_leaves_nothing(
    images: Images, wanted: Wanted, engine: FakeEngine
) -> None:
    engine.add_image("local/base:1")
    engine.build_error = "write /x: no space left on device"
    before = len(engine.images)
    with pytest.raises(DiskFullError, match="ran full; what was half made is removed"):
        images.build(wanted, {}, say)
    assert len(engine.images) == before


def test_a_connection_that_breaks_while_the_disk_is_full_is_a_full_disk(
    images: Images, wanted: Wanted, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.add_image("local/base:1")
    engine.build_error = "unexpected EOF"
    with pytest.raises(BuildError, match="unexpected EOF"):
        images.build(wanted, {}, say)
    monkeypatch.setattr(module, "FULL_BYTES", 1 << 60)
    with pytest.raises(DiskFullError):
        images.build(wanted, {}, say)


def test_room_is_looked_for_before_a_build(images: Images) -> None:
    images.check_room(1)
    with pytest.raises(DiskFullError, match="are needed to build the images"):
        images.check_room(1 << 60)


def test_older_images_of_this_home_go_and_others_stay(images: Images, engine: FakeEngine) -> None:
    ours, theirs = {"casemate.built-for": "home"}, {"casemate.built-for": "other"}
    engine.add_image("casemate/gateway:1-new", ours)
    engine.add_image("casemate/gateway:1-old", ours)
    engine.add_image("casemate/gateway:1-their", theirs)
    images.forget_all_but(["casemate/gateway:1-new"])
    left = [tag for tag in engine.images if tag.startswith("casemate/")]
    assert left == ["casemate/gateway:1-new", "casemate/gateway:1-their"]


def test_what_a_killed_build_left_goes_and_a_services_container_stays(
    images: Images, engine: FakeEngine
) -> None:
    label = {"casemate.built-for": "home"}
    engine.add_image("<none>", label)
    engine.add_container("build", "x", label)
    engine.add_container("instance", "x", {**label, "com.docker.compose.project": "casemate"})
    images.sweep()
    assert "<none>" not in engine.images
    assert list(engine.containers) == ["instance"]
