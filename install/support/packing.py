"""One file of all parts, the same bytes from the same parts, its inventory first."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
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
    """Writes a new file for its owner only; where that fails nothing stays.

    Raises:
        SettingError: it is there already, or cannot be written.
    """
    try:
        # No scratch beside it: a rename would replace, and the file system of a stick has no links.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with ExitStack() as undo, os.fdopen(handle, "wb") as file:
            undo.callback(path.unlink, missing_ok=True)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            undo.pop_all()
    except FileExistsError as cause:
        sentence = f"{path} is there already; --out names another file."
        raise SettingError(sentence) from cause
    except OSError as cause:
        sentence = f"{path} cannot be written: {cause.strerror}."
        raise SettingError(sentence) from cause
