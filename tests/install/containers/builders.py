"""Images as files, as bundles carry them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from install.bundle.manifest import CarriedImage
from tests.bundle_builders import a_bundle

Member = tuple[tarfile.TarInfo, bytes]


def a_member(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE) -> Member:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    about.type = kind
    if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
        about.linkname = "../../etc/passwd"
    return about, content


def packed(members: Sequence[Member]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for about, content in members:
            archive.addfile(about, io.BytesIO(content))
    return target.getvalue()


def its_config(layers: Sequence[bytes]) -> bytes:
    digests = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": digests}}).encode()


def its_members(tag: str, layers: Sequence[bytes] = (b"one", b"two")) -> list[Member]:
    """Its list, its configuration, its layers."""
    config = its_config(layers)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    paths = [f"{hashlib.sha256(each).hexdigest()}/layer.tar" for each in layers]
    listed = [{"Config": name, "RepoTags": [tag], "Layers": paths}]
    first = [a_member("manifest.json", json.dumps(listed).encode()), a_member(name, config)]
    return [*first, *(a_member(*each) for each in dict(zip(paths, layers, strict=True)).items())]


def identity_of(layers: Sequence[bytes] = (b"one", b"two")) -> str:
    return f"sha256:{hashlib.sha256(its_config(layers)).hexdigest()}"


def an_image(service: str, tag: str, layers: Sequence[bytes] = (b"one", b"two")) -> CarriedImage:
    """What a manifest says of the image that `its_members` make."""
    return CarriedImage(
        service=service, tag=tag, identity=identity_of(layers), path=f"images/{service}.tar"
    )


def a_bundle_of(folder: Path, *images: CarriedImage, content: bytes | None = None) -> Path:
    """A bundle with these images; with `content` each one's file holds that instead."""
    contents = {each.path: content or packed(its_members(each.tag)) for each in images}
    return a_bundle(folder / "x.bundle", contents, images=images)
