"""The container images of a bundle: made by the engine, exported, and put into one fixed order."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from install import environments
from install.building.errors import ImageExportError
from install.building.order import Order
from install.building.packages import builder
from install.building.starting import STEPS
from install.bundle.manifest import CarriedImage
from install.config import ALL_GPUS, Config, resolve
from install.containers import engine as engines
from install.containers import machine, operating
from install.containers.client import connect, translated
from install.containers.contexts import header, padding
from install.containers.gpus import Device
from install.containers.images import Images
from install.containers.making import Maker
from install.containers.wheels import Shelf
from install.progress import Display, size

BLOCK_BYTES = 1 << 20
END = bytes(2 * tarfile.BLOCKSIZE)
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Images for the manifest, and their files by their paths in the bundle."""

    images: tuple[CarriedImage, ...] = ()
    sources: dict[str, Path] = field(default_factory=dict)


class Engine(Protocol):
    """As much of the docker SDK's image collection as is needed here."""

    def get(self, name: str) -> Any:
        """The image of that name."""


def gather(order: Order, display: Display) -> Made:
    """Has this machine's engine make the images of the release, and exports them.

    Raises:
        InstallError: there is no engine, or it did not make or export one.
    """
    told: dict[str, object] = {"containers": True, "device": order.devices[0]}
    if order.base_image is not None:
        told["base_image"] = order.base_image
    settings: Config = resolve(told, os.environ, None)
    engine = engines.find(os.environ)
    client = connect(engine.address)
    folder = order.work / "images"
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(
        settings=settings,
        # Whoever builds for GPUs need not have one.
        device=Device(gpus=None if order.devices == ("cpu",) else ALL_GPUS),
        images=Images(
            client,
            root_folder=operating.root_folder(engine),
            home=machine.project_name(order.places),
        ),
        # A shelf of its own: making images forgets wheels that no image needs.
        shelf=Shelf(cache=folder / "wheels", builder=builder(order), torch_index=order.torch_index),
        folder=folder,
        has_toolbox=True,
    )
    tags = maker.make(display)
    with display.step(STEPS[3]) as step:
        made = []
        sources = {}
        for service, tag in sorted(tags.items()):
            step.detail = f"exporting {tag}"
            path = f"images/{service}.tar"
            with translated():
                identity = export(client.images, tag, folder / f"{service}.tar")
            made.append(CarriedImage(service=service, tag=tag, identity=identity, path=path))
            sources[path] = folder / f"{service}.tar"
        step.result = size(sum(path.stat().st_size for path in sources.values()))
    return Made(images=tuple(made), sources=sources)


def export(images: Engine, tag: str, target: Path) -> str:
    """Writes an image's file, always the same for the same image; returns the image's identity.

    What was exported before is kept while the engine has the same image and the file is whole.

    Raises:
        ImageExportError: the engine's answer is not what `docker save` gives.
    """
    image = images.get(tag)
    known = target.with_suffix(".json")
    before = _known(known)
    if before.get("of") == [tag, image.id] and before.get("file") == _measured(target):
        return str(before["identity"])
    raw = target.with_suffix(".raw")
    try:
        with raw.open("wb") as file:
            for piece in image.save(named=tag):
                file.write(piece)
        identity = normalise(raw, tag, target)
    finally:
        raw.unlink(missing_ok=True)
    found = {"of": [tag, image.id], "file": _measured(target), "identity": identity}
    known.write_text(json.dumps(found), "utf-8")
    return identity


def _measured(target: Path) -> object:
    """Size and digest: when the power fails, a file may be there and not be whole."""
    if not target.is_file():
        return None
    return [target.stat().st_size, environments.digest(target)]


def normalise(raw: Path, tag: str, target: Path) -> str:
    """Writes what an engine exported anew: nothing but manifest, configuration and layers.

    Each is named by its digest and has no owner and no time; layers stay as they are. An engine
    may add files of other formats, and dates them differently each time.

    Raises:
        ImageExportError: something is missing in it.
    """
    part = target.with_suffix(".part")
    try:
        with tarfile.open(raw) as exported, part.open("wb") as out:
            identity = _rewrite(exported, tag, out)
            out.flush()
            os.fsync(out.fileno())
    except (tarfile.TarError, KeyError, ValueError, TypeError) as cause:
        part.unlink(missing_ok=True)
        sentence = f"The engine's export of {tag} cannot be read: {type(cause).__name__}."
        raise ImageExportError(sentence) from cause
    part.replace(target)
    return identity


def _rewrite(exported: tarfile.TarFile, tag: str, out: BinaryIO) -> str:
    found = _manifest(exported)
    config = _content(exported, found["Config"]).read()
    digest = hashlib.sha256(config).hexdigest()
    layers = [(_digest(exported, name), name) for name in found["Layers"]]
    manifest = [
        {
            "Config": f"{digest}.json",
            "RepoTags": [tag],
            "Layers": [f"{layer}/layer.tar" for layer, _ in layers],
        }
    ]
    _put(out, MANIFEST, json.dumps(manifest, sort_keys=True).encode())
    _put(out, f"{digest}.json", config)
    for layer, name in sorted(dict(layers).items()):
        content = _content(exported, name)
        length = content.seek(0, os.SEEK_END)
        content.seek(0)
        out.write(header(f"{layer}/layer.tar", length))
        for block in _blocks(content):
            out.write(block)
        out.write(padding(length))
    out.write(END)
    return f"sha256:{digest}"


def _manifest(exported: tarfile.TarFile) -> dict[str, Any]:
    found = json.loads(_content(exported, MANIFEST).read())
    if len(found) != 1:
        sentence = "more than one image"
        raise ValueError(sentence)
    return dict(found[0])


def _content(exported: tarfile.TarFile, name: str) -> Any:
    """A file in an export; older engines write a layer that is there twice as a link."""
    content = exported.extractfile(name)
    if content is None:
        raise KeyError(name)
    return content


def _digest(exported: tarfile.TarFile, name: str) -> str:
    total = hashlib.sha256()
    for block in _blocks(_content(exported, name)):
        total.update(block)
    return total.hexdigest()


def _blocks(content: BinaryIO) -> Iterator[bytes]:
    while block := content.read(BLOCK_BYTES):
        yield block


def _put(out: BinaryIO, name: str, content: bytes) -> None:
    out.write(header(name, len(content)) + content + padding(len(content)))


def _known(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
