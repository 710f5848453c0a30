"""Builds a bundle: gathers what it carries, says what it is, writes and signs it."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from install.building import images, installer, licences, models, packages, parts, release, wheels
from install.building.order import Order, written
from install.building.starting import STEPS
from install.building.wheels import About
from install.bundle import manifest as manifests
from install.bundle import writing
from install.bundle.manifest import CarriedImage, Entry, Manifest
from install.bundle.signers import SigningKey
from install.containers.wheels import Shelf
from install.progress import Bytes, Display, Step, size
from install.weights import Model

PYTHON = "3.11"
DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE")
PROMPTS = "gateway/prompts/library"
PARTS_LIST = "sbom.cdx.json"
ACCEPTANCE = "acceptance.json"
# What a bundle must show of itself on the box. A demonstration model on two old cores is the
# slowest thing that has to pass; what is `measured` where it was built is there for comparison.
ACCEPTED = {
    "format": 1,
    "questions": [
        {
            "text": "Name three things that a computer can do.",
            "max_tokens": 64,
            "least_completion_tokens": 8,
        }
    ],
    "figures": {
        "tokens_per_second": {"measured": None, "least": 1.0},
        "first_token_s": {"most": 300.0},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A bundle that was written; `bundle` is its manifest's SHA-256."""

    path: Path
    release: str
    bundle: str
    bytes: int
    signer: str

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        return {
            "path": str(self.path),
            "release": self.release,
            "bundle": self.bundle,
            "bytes": self.bytes,
            "signer": self.signer,
        }

    def tell(self) -> None:
        """For people."""
        print(f"\nBundle      {self.path} ({size(self.bytes)}), release {self.release}")
        print(f"Digest      sha256:{self.bundle} (of its manifest)")
        print(f"Signed by   {self.signer}")
        print("\nTell whoever installs it this fingerprint on another way than the bundle goes.")


def build(order: Order, display: Display) -> Built:
    """Gathers, describes, writes and signs.

    Raises:
        InstallError: the bundle is not there; what was fetched is kept for the next time.
    """
    # What can be refused is refused before anything is fetched.
    signing = SigningKey.load(order.key)
    version = release.version(order.clone)
    made_at = release.made_at(order.clone, os.environ)
    gathered = _gather(order, display)
    program = order.work / "installer.zip"
    installer.write(order.clone, version, program)
    with display.step(STEPS[5]) as step:
        entries = _describe(order, gathered, step)
    about = Manifest(
        release=version,
        schema_generation=release.generation(packages.builder(order).python),
        architecture=platform.machine(),
        python=PYTHON,
        made_at=made_at,
        devices=order.devices,
        entries=entries,
        models=tuple(models.carried(each, entries) for each in gathered.models),
        images=gathered.images,
        installer=writing.describe_installer(program),
    )
    manifest = _with_parts(order, about, gathered)
    with display.step(STEPS[6]) as step:
        count = Bytes(step, sum(chunk.size for chunk in manifest.chunks().values()))
        writing.write(
            order.out,
            manifest,
            gathered.sources,
            installer=program,
            signing=signing,
            on_bytes=count,
        )
        step.result = size(order.out.stat().st_size)
    return Built(
        path=order.out,
        release=version,
        bundle=hashlib.sha256(manifests.to_bytes(manifest)).hexdigest(),
        bytes=order.out.stat().st_size,
        signer=signing.fingerprint,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """The files by their paths in the bundle, and what is known of some of them."""

    sources: dict[str, Path]
    models: tuple[Model, ...]
    images: tuple[CarriedImage, ...]
    packages: dict[str, About]


def _gather(order: Order, display: Display) -> _Gathered:
    cache = order.work / "wheels"
    shelf = Shelf(cache=cache, builder=packages.builder(order), torch_index=order.torch_index)
    with display.step(STEPS[1]) as step:
        sources = packages.gather(order, shelf, step)
        step.result = f"{sum(path.endswith('.whl') for path in sources)} wheels"
    with display.step(STEPS[2]) as step:
        found = models.gather(order, shelf, step)
        for each in found:
            sources |= models.files(each)
        step.result = ", ".join(each.ref for each in found) or "none"
    made = images.gather(order, display) if order.has_images else images.Made()
    sources |= made.sources
    with display.step(STEPS[4]) as step, packages.readable(order, sources):
        described = {path: wheels.about(sources[path]) for path in sources if path.endswith(".whl")}
        if order.has_program:
            sources |= _documents(order.clone)
            sources |= licences.gather(described, sources, order.work)
        sources[ACCEPTANCE] = written(order.work / ACCEPTANCE, _json(ACCEPTED))
        without = sum(not about.texts for about in described.values())
        step.result = f"{len(described)} packages, {without} without a text of their licence"
    return _Gathered(sources=sources, models=tuple(found), images=made.images, packages=described)


def _describe(order: Order, gathered: _Gathered, step: Step) -> tuple[Entry, ...]:
    total = sum(path.stat().st_size for path in gathered.sources.values())
    count = Bytes(step, total)
    cache = order.work / "digests.json"
    entries = writing.describe(gathered.sources, cache=cache, on_bytes=count)
    packages.check(order, entries)
    step.result = f"{len(entries)} files, {size(total)}"
    return entries


def _with_parts(order: Order, about: Manifest, gathered: _Gathered) -> Manifest:
    """The manifest with the list of parts, which is about all of it but itself."""
    text = parts.to_bytes(about, gathered.packages)
    path = written(order.work / PARTS_LIST, text)
    gathered.sources[PARTS_LIST] = path
    own = writing.describe({PARTS_LIST: path})
    entries = tuple(sorted((*about.entries, *own), key=lambda entry: entry.path))
    return replace(about, entries=entries)


def _documents(clone: Path) -> dict[str, Path]:
    found = {f"docs/{name}": clone / name for name in DOCUMENTS}
    library = clone / PROMPTS
    for path in sorted(library.rglob("*.toml")):
        found[f"prompts/{path.relative_to(library).as_posix()}"] = path
    return found


def _json(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
