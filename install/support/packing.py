"""One file of all parts, the same bytes from the same parts, its inventory first."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from install.errors import SettingError

INVENTORY = "inventory.json"
FORMAT = 1
# The earliest that the format knows, so that nothing depends on when it was made.
MOMENT = (1980, 1, 1, 0, 0, 0)


def inventory(
    parts: Mapping[str, bytes], *, about: Mapping[str, str], replaced: Mapping[str, int]
) -> bytes:
    """What is in the file, each with its size and digest, and how much was replaced by marks."""
    files = [
        {
            "name": name,
            "about": about.get(name, ""),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in sorted(parts.items())
    ]
    told = {"format": FORMAT, "files": files, "replaced": dict(sorted(replaced.items()))}
    return json.dumps(told, indent=1).encode() + b"\n"


def pack(parts: Mapping[str, bytes]) -> bytes:
    """A ZIP of the parts, the inventory before all others."""
    buffer = io.BytesIO()
    names = sorted(parts, key=lambda name: (name != INVENTORY, name))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name in names:
            entry = zipfile.ZipInfo(name, MOMENT)
            file.writestr(entry, parts[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Writes a new file for its owner only, whole or not at all.

    Raises:
        SettingError: it is there already, or cannot be written.
    """
    scratch = path.with_name(f".{path.name}.part")
    try:
        if path.exists():
            sentence = f"{path} is there already; --out names another file."
            raise SettingError(sentence)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as cause:
        scratch.unlink(missing_ok=True)
        sentence = f"{path} cannot be written: {cause.strerror}."
        raise SettingError(sentence) from cause
