import os
from pathlib import Path

import pytest

from install.bundle.opened import opened
from install.containers.carried import Loader
from install.containers.engine import Engine
from install.containers.errors import DiskFullError, ImageLoadError, ImageRefusedError
from tests.fakes.docker_engine import FakeEngine
from tests.install.containers.builders import (
    a_bundle_of,
    a_member,
    an_image,
    identity_of,
    its_members,
    packed,
)

TAG = "casemate/gateway:1-abc"
IMAGE = an_image("gateway", TAG)


def put_in(path: Path, found: Engine) -> int:
    """Loads the bundle's one image; returns how many bytes were told of."""
    seen: list[int] = []
    with opened(path) as bundle:
        loader = Loader(bundle=bundle, engine=found, on_bytes=seen.append)
        loader.put_in(bundle.manifest.images[0])
    return sum(seen)


def test_an_image_goes_to_the_engine_once(
    engine: FakeEngine, found: Engine, tmp_path: Path
) -> None:
    path = a_bundle_of(tmp_path, IMAGE)
    size = len(packed(its_members(TAG)))
    assert put_in(path, found) == size
    assert engine.images[TAG]["Id"] == IMAGE.identity
    assert put_in(path, found) == size
    assert [each[0] for each in engine.commands].count("load") == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (packed(its_members("casemate/other:1")), "the manifest says casemate/gateway:1-abc"),
        (packed(its_members(TAG, (b"another",))), "the manifest says sha256:"),
        (packed([*its_members(TAG), a_member("../x")]), "strange name"),
    ],
)
def test_another_image_than_the_manifest_names_never_reaches_the_engine(
    engine: FakeEngine, found: Engine, tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(ImageRefusedError, match=reason):
        put_in(a_bundle_of(tmp_path, IMAGE, content=content), found)
    assert "load" not in [each[0] for each in engine.commands]


@pytest.mark.parametrize(
    ("said", "error"),
    [("write /x: no space left on device", DiskFullError), ("unexpected EOF", ImageLoadError)],
)
def test_an_engine_that_does_not_take_it_is_told_with_its_words(
    engine: FakeEngine, found: Engine, tmp_path: Path, said: str, error: type[Exception]
) -> None:
    engine.broken["load"] = (1, said)
    with pytest.raises(error, match="the image of the gateway"):
        put_in(a_bundle_of(tmp_path, IMAGE), found)


def test_a_client_that_stops_listening_is_no_crash(
    engine: FakeEngine, found: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = engine.folder / "client" / "docker"
    client.parent.mkdir()
    client.write_text(
        "#!/bin/sh\nexec 0<&-\n[ $1 = image ] && exit 1\necho the engine is away\nexit 1\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    layers = (bytes(1 << 20),)
    image = an_image("gateway", TAG, layers)
    path = a_bundle_of(tmp_path, image, content=packed(its_members(TAG, layers)))
    with pytest.raises(ImageLoadError, match="the engine is away"):
        put_in(path, found)


def test_an_engine_that_made_another_image_of_it_is_not_believed(
    engine: FakeEngine, found: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("install.containers.carried.look", lambda *_: {"Id": "sha256:other"})
    assert engine.images
    with pytest.raises(ImageLoadError, match="is another image there"):
        put_in(a_bundle_of(tmp_path, IMAGE), found)


def test_an_engine_that_names_images_otherwise_is_asked_for_their_layers(
    engine: FakeEngine, tmp_path: Path, found: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_bundle_of(tmp_path, IMAGE)
    put_in(path, found)
    layers = engine.images[TAG]["RootFS"]["Layers"]
    other = {"Id": "sha256:other", "RootFS": {"Layers": layers}}
    monkeypatch.setattr("install.containers.carried.look", lambda *_: other)
    store = [["driver-type", "io.containerd.snapshotter.v1"]]
    facts = {**found.facts, "DriverStatus": store}
    modern = Engine(socket=found.socket, version=found.version, compose=found.compose, facts=facts)
    assert put_in(path, modern) == len(packed(its_members(TAG)))
    assert identity_of() != other["Id"]
