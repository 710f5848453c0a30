"""Whom this box trusts: one signer, pinned with the first bundle, moved only by its own word."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from install.bundle.errors import TrustDamagedError, TrustUnreadableError


@dataclass(frozen=True)
class Pin:
    """The signer whose bundles this box takes.

    `pinned_at` is a UTC time in RFC 3339. `how` is "fingerprint" (it was given with the command),
    "typed" (somebody said yes on a terminal) or "key_change" (the signer before appointed it).
    """

    fingerprint: str
    name: str
    public_key: str
    not_before: str
    expires: str
    pinned_at: str
    how: str


def pinned(path: Path) -> Pin | None:
    """The signer pinned in a file; None where there is no file.

    Raises:
        TrustUnreadableError: this user may not read it.
        TrustDamagedError: it is not as it was written.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        pin = Pin(
            fingerprint=found["fingerprint"],
            pinned_at=found["pinned_at"],
            how=found["how"],
            **found["statement"],
        )
    except FileNotFoundError:
        return None
    except PermissionError as cause:
        sentence = (
            f"{path}, which says whose bundles this box takes, may not be read by this user; run "
            "this as the user that applied the bundle."
        )
        raise TrustUnreadableError(sentence) from cause
    except (OSError, ValueError, TypeError, KeyError) as cause:
        sentence = (
            f"{path}, which says whose bundles this box takes, cannot be read. Restore it from a "
            "backup; or remove it, and compare the fingerprint anew with the next bundle."
        )
        raise TrustDamagedError(sentence) from cause
    return pin


def write(path: Path, pin: Pin) -> None:
    """Replaces the file as a whole."""
    statement = ("name", "public_key", "not_before", "expires")
    found = {
        "fingerprint": pin.fingerprint,
        "statement": {each: getattr(pin, each) for each in statement},
        "pinned_at": pin.pinned_at,
        "how": pin.how,
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(found, indent=2) + "\n")
        file.flush()
        # Nothing in it is secret, and whoever looks at a bundle compares with it.
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    Path(name).replace(path)
