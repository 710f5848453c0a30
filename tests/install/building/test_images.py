import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from install.building import images
from install.building.errors import ImageExportError
from install.containers import exported

TAG = "casemate/instance:0.3.0-0123456789ab"
LAYERS = (b"first layer" * 100, b"second layer" * 50)
CONFIG = json.dumps(
    {"rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in LAYERS]}}
).encode()


def add(tar: tarfile.TarFile, name: str, content: bytes, *, at: int) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    about.mtime = at
    about.uname = "somebody"
    tar.addfile(about, io.BytesIO(content))


def as_an_old_engine_saves(at: int) -> bytes:
    """Each layer in a folder of its own, one that is there twice as a link, other formats too."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number, layer in enumerate(LAYERS):
            folder = tarfile.TarInfo(f"{number}")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            add(tar, f"{number}/VERSION", b"1.0", at=at)
            add(tar, f"{number}/layer.tar", layer, at=at)
        link = tarfile.TarInfo("2/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../0/layer.tar"
        tar.addfile(link)
        add(tar, "abc.json", CONFIG, at=at)
        names = [f"{number}/layer.tar" for number in range(2)]
        listed = [{"Layers": names, "RepoTags": [TAG], "Config": "abc.json"}]
        add(tar, "manifest.json", json.dumps(listed).encode(), at=at)
        add(tar, "repositories", b"{}", at=at)
    return out.getvalue()


def as_a_new_engine_saves(at: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "oci-layout", b"{}", at=at)
        add(tar, "index.json", f'{{"at": {at}}}'.encode(), at=at)
        names = [f"blobs/sha256/{hashlib.sha256(each).hexdigest()}" for each in LAYERS]
        for name, layer in reversed(list(zip(names, LAYERS, strict=True))):
            add(tar, name, layer, at=at)
        add(tar, "blobs/sha256/config", CONFIG, at=at)
        listed = [{"Config": "blobs/sha256/config", "RepoTags": [TAG], "Layers": names}]
        add(tar, "manifest.json", json.dumps(listed).encode(), at=at)
    return out.getvalue()


class Image:
    """What the docker SDK gives for a name."""

    id = "sha256:1"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.exports = 0

    def save(self, *, named: str) -> Iterator[bytes]:
        assert named == TAG
        self.exports += 1
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


class Engine:
    """The collection of one image."""

    def __init__(self, image: Image) -> None:
        self.image = image

    def get(self, _name: str) -> Image:
        return self.image


def test_exports_of_one_image_are_the_same_bytes_whatever_wrote_them(tmp_path: Path) -> None:
    found = set()
    for number, raw in enumerate(
        [as_an_old_engine_saves(1), as_an_old_engine_saves(2), as_a_new_engine_saves(3)]
    ):
        target = tmp_path / f"{number}.tar"
        identity = images.export(Engine(Image(raw)), TAG, target)
        assert identity == f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
        found.add(target.read_bytes())
    assert len(found) == 1


def test_what_is_written_is_what_loading_takes(tmp_path: Path) -> None:
    target = tmp_path / "instance.tar"
    identity = images.export(Engine(Image(as_an_old_engine_saves(1))), TAG, target)
    with target.open("rb") as file:
        seen = exported.examine("instance", iter(lambda: file.read(4096), b""))
    assert (seen.identity, seen.tag) == (identity, TAG)
    assert not list(tmp_path.glob("*.raw"))
    assert not list(tmp_path.glob("*.part"))


def test_an_image_that_is_the_same_is_not_exported_again(tmp_path: Path) -> None:
    image = Image(as_a_new_engine_saves(1))
    first = images.export(Engine(image), TAG, tmp_path / "instance.tar")
    assert images.export(Engine(image), TAG, tmp_path / "instance.tar") == first
    assert image.exports == 1
    image.id = "sha256:2"
    images.export(Engine(image), TAG, tmp_path / "instance.tar")
    assert image.exports == 2


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, None])
def test_an_export_that_a_power_cut_damaged_is_made_anew(
    tmp_path: Path, content: bytes | None
) -> None:
    image, target = Image(as_a_new_engine_saves(1)), tmp_path / "instance.tar"
    identity = images.export(Engine(image), TAG, target)
    whole = target.read_bytes()
    target.write_bytes(whole[:-1] + b"x" if content is None else content)
    assert images.export(Engine(image), TAG, target) == identity
    assert target.read_bytes() == whole


@pytest.mark.parametrize("cut", [0, 100, 5000])
def test_an_export_that_was_cut_leaves_nothing(tmp_path: Path, cut: int) -> None:
    image = Image(as_an_old_engine_saves(1)[:cut])
    with pytest.raises(ImageExportError, match="cannot be read"):
        images.export(Engine(image), TAG, tmp_path / "instance.tar")
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_two_images_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "manifest.json", b"[{}, {}]", at=1)
    with pytest.raises(ImageExportError):
        images.export(Engine(Image(out.getvalue())), TAG, tmp_path / "instance.tar")
