"""What a bundle lists: its release, its entries by their chunks, its models and images."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from install.bundle.errors import ManifestError

FORMAT = 1
PRODUCT = "casemate"
CHUNK_BYTES = 8 * 1024 * 1024
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
MAX_ENTRIES = 100_000
MAX_PATH = 240
DIGEST = re.compile(r"[0-9a-f]{64}")
# No part begins with a dot or a dash: `..`, hidden files and options are no names here.
PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@=~-]*(/[A-Za-z0-9_][A-Za-z0-9_.+@=~-]*){0,8}")
RELEASE = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}")


@dataclass(frozen=True)
class Chunk:
    """A piece of content, named by its SHA-256 in hexadecimal; `size` in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Entry:
    """A file of the bundle; its content is that of its chunks, one after another.

    `digest` is the whole content's SHA-256.
    """

    path: str
    digest: str
    size: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True)
class CarriedModel:
    """A model whose files are the entries below `folder`; `digest` stands for all of them."""

    ref: str
    name: str
    family: str
    context_tokens: int | None
    folder: str
    digest: str


@dataclass(frozen=True)
class CarriedImage:
    """A container image; `identity` is the engine's own digest of its configuration."""

    service: str
    tag: str
    identity: str
    path: str


@dataclass(frozen=True)
class Installer:
    """The program behind the end mark, run by `python3 BUNDLE`."""

    digest: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What is signed.

    `schema_generation` counts the releases that changed the database's shape, this one included.
    `devices` are those that model server packages are there for: of "cpu", "cuda".
    `made_at` is a UTC time in RFC 3339.
    """

    release: str
    schema_generation: int
    architecture: str
    python: str
    made_at: str
    devices: tuple[str, ...]
    entries: tuple[Entry, ...]
    models: tuple[CarriedModel, ...]
    images: tuple[CarriedImage, ...]
    installer: Installer

    def entry(self, path: str) -> Entry:
        """The entry at a path.

        Raises:
            ManifestError: there is none.
        """
        for each in self.entries:
            if each.path == path:
                return each
        sentence = f"The bundle lacks {path}."
        raise ManifestError(sentence)

    def below(self, folder: str) -> tuple[Entry, ...]:
        """The entries inside a folder, which is given without a slash at its end."""
        return tuple(each for each in self.entries if each.path.startswith(f"{folder}/"))

    def chunks(self) -> dict[str, Chunk]:
        """Every chunk once, in the order in which the bundle holds them."""
        return {chunk.digest: chunk for each in self.entries for chunk in each.chunks}


def digest_of(digests: Mapping[str, str]) -> str:
    """What stands for a folder: SHA-256 over its lines "NAME NUL DIGEST" in the names' order.

    `digests` are those of its files by their names in it.
    """
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()


def version_of(release: str) -> tuple[int, ...]:
    """For comparing releases."""
    return tuple(int(each) for each in release.split("."))


def to_bytes(manifest: Manifest) -> bytes:
    """The one text of a manifest: what is signed, and what the bundle holds."""
    found = {
        "format": FORMAT,
        "product": PRODUCT,
        "release": manifest.release,
        "schema_generation": manifest.schema_generation,
        "architecture": manifest.architecture,
        "python": manifest.python,
        "made_at": manifest.made_at,
        "devices": list(manifest.devices),
        "entries": [
            {
                "path": each.path,
                "sha256": each.digest,
                "size": each.size,
                "chunks": [[chunk.digest, chunk.size] for chunk in each.chunks],
            }
            for each in manifest.entries
        ],
        "models": [dict(vars(each)) for each in manifest.models],
        "images": [dict(vars(each)) for each in manifest.images],
        "installer": {"sha256": manifest.installer.digest, "size": manifest.installer.size},
    }
    return json.dumps(found, indent=1, sort_keys=True).encode("ascii") + b"\n"


def parse(text: bytes) -> Manifest:
    """Reads a manifest; what it says can be relied on once its signature is checked.

    Raises:
        ManifestError: it is none, or says something that cannot be.
    """
    try:
        manifest = _parse(json.loads(text))
    except ManifestError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        sentence = f"The bundle's manifest cannot be read: {type(cause).__name__}."
        raise ManifestError(sentence) from cause
    if to_bytes(manifest) != text:
        sentence = "The bundle's manifest is not written in the one way that manifests are."
        raise ManifestError(sentence)
    return manifest


def _parse(found: dict[str, Any]) -> Manifest:
    if found["product"] != PRODUCT or found["format"] != FORMAT:
        sentence = (
            f"The bundle is of format {_short(found['format'])} for {_short(found['product'])}; "
            f"this program reads format {FORMAT} for {PRODUCT!r}. Run the program that is in the "
            "bundle itself."
        )
        raise ManifestError(sentence)
    if len(found["entries"]) > MAX_ENTRIES:
        sentence = f"The manifest has more than {MAX_ENTRIES} entries."
        raise ManifestError(sentence)
    entries = tuple(_entry(each) for each in found["entries"])
    _check_paths(entries)
    manifest = Manifest(
        release=_matching(RELEASE, found["release"]),
        schema_generation=_whole(found["schema_generation"]),
        architecture=_text(found["architecture"]),
        python=_text(found["python"]),
        made_at=_text(found["made_at"]),
        devices=tuple(_text(each) for each in found["devices"]),
        entries=entries,
        models=tuple(_model(each) for each in found["models"]),
        images=tuple(_image(each) for each in found["images"]),
        installer=Installer(
            digest=_matching(DIGEST, found["installer"]["sha256"]),
            size=_whole(found["installer"]["size"]),
        ),
    )
    _check_references(manifest)
    return manifest


def _short(found: Any) -> str:
    return repr(found)[:40]


def _entry(found: dict[str, Any]) -> Entry:
    chunks = tuple(
        Chunk(digest=_matching(DIGEST, digest), size=_whole(size))
        for digest, size in found["chunks"]
    )
    entry = Entry(
        path=_matching(PATH, found["path"]),
        digest=_matching(DIGEST, found["sha256"]),
        size=_whole(found["size"]),
        chunks=chunks,
    )
    whole = all(0 < each.size <= CHUNK_BYTES for each in chunks)
    if not whole or sum(each.size for each in chunks) != entry.size or len(entry.path) > MAX_PATH:
        sentence = f"The manifest's entry {entry.path[:MAX_PATH]} does not add up."
        raise ManifestError(sentence)
    return entry


def _check_paths(entries: tuple[Entry, ...]) -> None:
    # Some file systems take two names for one when only the case of their letters differs.
    paths = [each.path.lower() for each in entries]
    if len(set(paths)) != len(paths) or [e.path for e in entries] != sorted(
        e.path for e in entries
    ):
        sentence = "The manifest's entries are not in order, or one stands there twice."
        raise ManifestError(sentence)
    inner = {parent for path in paths for parent in _parents(path)}
    if inner & set(paths):
        sentence = f"In the manifest, {min(inner & set(paths))} is both a file and a folder."
        raise ManifestError(sentence)
    sizes: dict[str, int] = {}
    for entry in entries:
        for chunk in entry.chunks:
            if sizes.setdefault(chunk.digest, chunk.size) != chunk.size:
                sentence = f"In the manifest, the chunk {chunk.digest} has two sizes."
                raise ManifestError(sentence)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _model(found: dict[str, Any]) -> CarriedModel:
    context = found["context_tokens"]
    return CarriedModel(
        ref=_matching(PATH, found["ref"]),
        name=_text(found["name"]),
        family=_text(found["family"]),
        context_tokens=None if context is None else _whole(context),
        folder=_matching(PATH, found["folder"]),
        digest=_matching(DIGEST, found["digest"]),
    )


def _image(found: dict[str, Any]) -> CarriedImage:
    return CarriedImage(
        service=_text(found["service"]),
        tag=_text(found["tag"]),
        identity=_text(found["identity"]),
        path=_matching(PATH, found["path"]),
    )


def _check_references(manifest: Manifest) -> None:
    for image in manifest.images:
        manifest.entry(image.path)
    for model in manifest.models:
        if not manifest.below(model.folder):
            sentence = (
                f"The manifest names the model {model.ref}, and the bundle has no file of it."
            )
            raise ManifestError(sentence)


def _matching(pattern: re.Pattern[str], found: Any) -> str:
    if not isinstance(found, str) or not pattern.fullmatch(found):
        sentence = f"The manifest says {str(found)[:100]!r} where that cannot stand."
        raise ManifestError(sentence)
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str) or not found.isprintable() or len(found) > MAX_PATH:
        sentence = "The manifest has something else where a short text must stand."
        raise ManifestError(sentence)
    return found


def _whole(found: Any) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        sentence = "The manifest has something else where a whole number must stand."
        raise ManifestError(sentence)
    return found
