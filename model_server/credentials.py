"""The key that clients of the models must show, kept in a file that only its owner can read."""

import os
import secrets
from pathlib import Path

from model_server.errors import SettingsInvalidError

_LEAST_CHARS = 16
_OTHERS = 0o077


def read_api_key(path: Path, *, is_mounted: bool = False) -> str:
    """Reads the key; makes one where there is no file yet.

    One that a container engine mounted may have any mode, and is never made.

    Raises:
        SettingsInvalidError: unreadable, readable by others, or too short to be a key.
    """
    try:
        if not is_mounted:
            _make(path)
        key = path.read_text().strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as cause:
        raise SettingsInvalidError((f"{path.name}: the API key cannot be read",)) from cause
    if mode & _OTHERS and not is_mounted:
        raise SettingsInvalidError((f"{path.name}: others can read the API key; chmod 600 it",))
    if len(key) < _LEAST_CHARS or not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsInvalidError(
            (f"{path.name}: an API key is one line of at least {_LEAST_CHARS} characters",)
        )
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
