"""A bundle with wheels of a few lines."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from install.bundle.manifest import CarriedModel
from tests.bundle_builders import a_bundle

WEIGHTS = {"config.json": b"{}", "model.safetensors": b"weights"}
REF = "small-model"
ACCEPTANCE = {
    "format": 1,
    "questions": [{"text": "Yes?", "max_tokens": 8, "least_completion_tokens": 2}],
    "figures": {
        "tokens_per_second": {"measured": None, "least": 1.0},
        "first_token_s": {"most": 300.0},
    },
}


def a_wheel(name: str, version: str, modules: Mapping[str, str]) -> bytes:
    """A wheel of pure Python; always the same bytes."""
    about = f"{name}-{version}.dist-info"
    files = {
        **{path: text.encode() for path, text in modules.items()},
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    files[f"{about}/RECORD"] = ("".join(lines) + f"{about}/RECORD,,\n").encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for path, text in files.items():
            packed.writestr(zipfile.ZipInfo(path), text)
    return content.getvalue()


def the_contents(*, release: str, weights: Mapping[str, bytes] = WEIGHTS) -> dict[str, bytes]:
    """What lies in the bundle, by path."""
    dependency = a_wheel("dependency", "1.0", {"dependency.py": "FOUND = True\n"})
    digest = hashlib.sha256(dependency).hexdigest()
    lock = f"dependency==1.0 --hash=sha256:{digest}\n".encode()
    product = a_wheel("casemate", release, {"own.py": "FOUND = True\n"})
    found = {
        "acceptance.json": json.dumps(ACCEPTANCE).encode(),
        f"wheels/casemate/casemate-{release}-py3-none-any.whl": product,
        "wheels/casemate/sources.json": json.dumps({"install": release}).encode(),
        **{f"models/{REF}/{name}": content for name, content in weights.items()},
    }
    for kind in ("services", "model-server-cpu"):
        found[f"locks/{kind}.lock"] = lock
        found[f"wheels/{kind}/dependency-1.0-py3-none-any.whl"] = dependency
    return found


def the_bundle(
    path: Path, *, release: str = "0.2.0", weights: Mapping[str, bytes] = WEIGHTS
) -> Path:
    """Writes the bundle."""
    model = CarriedModel(
        ref=REF,
        name="Small model",
        family="general",
        context_tokens=512,
        folder=f"models/{REF}",
        digest=hashlib.sha256(repr(sorted(weights.items())).encode()).hexdigest(),
    )
    contents = the_contents(release=release, weights=weights)
    return a_bundle(path, contents, release=release, models=(model,))
