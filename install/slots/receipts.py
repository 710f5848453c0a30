"""What came in, when and from whom: one signed file for each change, kept for good."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install.bundle import signatures
from install.config import write_private
from install.errors import InstallError
from install.places import Places
from install.slots.journal import Attempt


class ReceiptError(InstallError):
    """A receipt was changed, or is none."""

    code = "receipt_invalid"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not as this box wrote and signed it.")


def key_file(places: Places) -> Path:
    """The box's own key for receipts; mode 0600."""
    return places.home / "keys" / "receipts.pem"


def write(places: Places, attempt: Attempt, *, now: datetime | None = None) -> Path:
    """Signs what an attempt brought in; writing it again changes nothing."""
    places.receipts.mkdir(mode=0o755, exist_ok=True)
    path = places.receipts / f"{attempt.number:04d}-{attempt.kind}.json"
    if path.exists():
        return path
    receipt = {
        "number": attempt.number,
        "kind": attempt.kind,
        "at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "from": attempt.origin,
        "to": attempt.goal,
        **attempt.facts,
    }
    text = json.dumps(receipt, sort_keys=True)
    signature = base64.b64encode(signatures.sign(_key(places), text.encode())).decode()
    write_private(path, json.dumps({"receipt": text, "signature": signature}, indent=2) + "\n")
    return path


def read_all(places: Places) -> Sequence[dict[str, Any]]:
    """Every receipt, oldest first, its signature checked.

    Raises:
        ReceiptError: one is not as it was written.
    """
    public = public_file(places)
    found = []
    for path in sorted(places.receipts.glob("*.json")):
        try:
            said = json.loads(path.read_text("utf-8"))
            signature = base64.b64decode(said["signature"])
            signatures.verify(public.read_bytes(), said["receipt"].encode(), signature)
            found.append(json.loads(said["receipt"]))
        except (OSError, ValueError, KeyError, TypeError, InstallError) as cause:
            raise ReceiptError(path) from cause
    return found


def public_file(places: Places) -> Path:
    """The public half of the receipts' key."""
    return places.receipts / "receipts.pub"


def _key(places: Places) -> Path:
    path = key_file(places)
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        draft = path.with_name(".receipts.pem")
        draft.unlink(missing_ok=True)
        public = signatures.new_key(draft)
        public_file(places).write_bytes(public)
        draft.replace(path)
    return path
