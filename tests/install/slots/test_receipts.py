import json
from datetime import UTC, datetime

import pytest

from install.places import Places
from install.slots import receipts
from install.slots.journal import Attempt
from install.slots.receipts import ReceiptError

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ATTEMPT = Attempt(
    number=7,
    kind="apply",
    origin="slots/a",
    goal="slots/b",
    facts={"release": "0.2.0", "bundle": "b" * 64, "signer": "SHA256:x", "is_unsigned": False},
    steps=("began", "accepted"),
)


def test_a_receipt_says_what_came_in(places: Places) -> None:
    receipts.write(places, ATTEMPT, now=NOW)
    (found,) = receipts.read_all(places)
    assert found == {
        "number": 7,
        "kind": "apply",
        "at": "2026-11-22T03:00:00+00:00",
        "from": "slots/a",
        "to": "slots/b",
        **ATTEMPT.facts,
    }


def test_a_second_writing_changes_nothing(places: Places) -> None:
    path = receipts.write(places, ATTEMPT, now=NOW)
    before = path.read_bytes()
    receipts.write(places, ATTEMPT)
    assert path.read_bytes() == before


def test_a_changed_receipt_is_seen(places: Places) -> None:
    path = receipts.write(places, ATTEMPT, now=NOW)
    said = json.loads(path.read_text())
    said["receipt"] = said["receipt"].replace("0.2.0", "0.3.0")
    path.write_text(json.dumps(said))
    with pytest.raises(ReceiptError, match=path.name):
        receipts.read_all(places)


def test_something_else_among_the_receipts_is_seen(places: Places) -> None:
    receipts.write(places, ATTEMPT, now=NOW)
    (places.receipts / "0008-apply.json").write_text("[]")
    with pytest.raises(ReceiptError):
        receipts.read_all(places)


def test_the_key_is_for_its_owner_alone(places: Places) -> None:
    receipts.write(places, ATTEMPT, now=NOW)
    assert receipts.key_file(places).stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in receipts.public_file(places).read_bytes()
