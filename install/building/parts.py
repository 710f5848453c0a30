"""The list of parts, as CycloneDX 1.6 has it: every package, model and image, with its digest.

Written with the standard library: the one library for it would be one more thing on every box.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from install.building.wheels import About
from install.bundle.manifest import Entry, Manifest
from install.weights import STARTER_REF

SPEC = "1.6"
OWN_LICENCE = "Apache-2.0"
# Of what the builder makes itself; another model's licence is its owner's to know.
MODEL_LICENCES = {STARTER_REF: "Apache-2.0"}
# Any name space, as long as it is always the same.
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:casemate:bundle")


def to_bytes(carried: Manifest, packages: Mapping[str, About]) -> bytes:
    """The list as JSON; the same parts give the same bytes.

    `packages` are by their wheels' paths in the bundle.
    """
    components = [
        *_packages(carried, packages),
        *_models(carried),
        *_images(carried),
        *_rest(carried, packages),
    ]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "timestamp": carried.made_at,
            "component": {
                "type": "application",
                "bom-ref": "casemate",
                "name": "casemate",
                "version": carried.release,
                "licenses": [{"license": {"id": OWN_LICENCE}}],
            },
        },
        "components": sorted(components, key=lambda each: (each["type"], each["bom-ref"])),
    }
    text = json.dumps(content, sort_keys=True)
    return _dump({**content, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMES, text)}"})


def _dump(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode("ascii")


def _packages(carried: Manifest, packages: Mapping[str, About]) -> Iterable[dict[str, Any]]:
    by_digest: dict[str, list[str]] = {}
    for entry in carried.entries:
        if entry.path in packages:
            by_digest.setdefault(entry.digest, []).append(entry.path)
    for digest, paths in by_digest.items():
        about = packages[paths[0]]
        yield {
            "type": "library",
            "bom-ref": f"sha256:{digest}",
            "name": about.name,
            "version": about.version,
            "purl": f"pkg:pypi/{about.name}@{quote(about.version, safe='.-_~')}",
            "hashes": _hashes(digest),
            **_licences(about),
            "properties": [{"name": "casemate:path", "value": path} for path in paths],
        }


def _licences(about: About) -> dict[str, Any]:
    if about.licence is None:
        return {}
    if about.is_expression:
        return {"licenses": [{"expression": about.licence}]}
    return {"licenses": [{"license": {"name": about.licence}}]}


def _models(carried: Manifest) -> Iterable[dict[str, Any]]:
    for model in carried.models:
        files = [each for each in carried.entries if each.path.startswith(f"{model.folder}/")]
        known = MODEL_LICENCES.get(model.ref)
        yield {
            "type": "machine-learning-model",
            "bom-ref": f"model:{model.ref}@{model.digest[:12]}",
            "name": model.ref,
            "version": model.digest[:12],
            "description": model.name,
            **({"licenses": [{"license": {"id": known}}]} if known else {}),
            "components": [_file(each) for each in files],
        }


def _images(carried: Manifest) -> Iterable[dict[str, Any]]:
    for image in carried.images:
        name, _, version = image.tag.rpartition(":")
        yield {
            "type": "container",
            "bom-ref": f"image:{image.service}",
            "name": name,
            "version": version,
            "hashes": _hashes(image.identity.removeprefix("sha256:")),
            "properties": [{"name": "casemate:path", "value": image.path}],
        }


def _rest(carried: Manifest, packages: Mapping[str, About]) -> Iterable[dict[str, Any]]:
    """Whatever else is carried, each file by itself, and the installer."""
    covered = {*packages, *(each.path for each in carried.images)}
    folders = tuple(f"{model.folder}/" for model in carried.models)
    for entry in carried.entries:
        if entry.path not in covered and not entry.path.startswith(folders):
            yield _file(entry)
    yield {
        "type": "application",
        "bom-ref": "installer",
        "name": "casemate-installer",
        "version": carried.release,
        "hashes": _hashes(carried.installer.digest),
        "licenses": [{"license": {"id": OWN_LICENCE}}],
    }


def _file(entry: Entry) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{entry.path}",
        "name": entry.path,
        "hashes": _hashes(entry.digest),
    }


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]
