import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.bundle import statements
from install.bundle.errors import SignatureError, SignerError
from install.bundle.statements import Signer
from tests.bundle_builders import NOW, a_signing_key, the_signing_key

Change = Callable[[dict[str, Any]], object]


def a_text() -> bytes:
    return statements.to_bytes(the_signing_key().signer)


def test_a_signer_is_read_as_it_was_written() -> None:
    assert statements.parse(a_text()) == the_signing_key().signer


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(statements=[]),
        lambda found: found.update(statements=found["statements"] * 65),
        lambda found: found.update(format=2),
        lambda found: found.update(more=1),
        lambda found: found.pop("statements"),
        lambda found: found["statements"][0].update(name="\x1b[2J"),
        lambda found: found["statements"][0].update(name=""),
        lambda found: found["statements"][0].update(name=7),
        lambda found: found["statements"][0].update(expires="2020-01-01"),
        lambda found: found["statements"][0].update(expires="2019-01-01T00:00:00Z"),
        lambda found: found["statements"][0].update(expires=5),
        lambda found: found["statements"][0].update(by_itself="?"),
        lambda found: found["statements"][0].update(by_itself=None),
        lambda found: found["statements"][0].update(public_key="none"),
        lambda found: found["statements"][0].update(public_key=3),
    ],
)
def test_what_is_no_signer_is_refused(change: Change) -> None:
    found = json.loads(a_text())
    change(found)
    text = json.dumps(found, indent=1, sort_keys=True).encode() + b"\n"
    with pytest.raises(SignerError):
        statements.parse(text)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_is_read_is_a_signer_or_refused(text: bytes | str) -> None:
    with pytest.raises(SignerError):
        statements.parse(text.encode() if isinstance(text, str) else text)


def test_there_is_one_way_to_write_a_signer() -> None:
    with pytest.raises(SignerError):
        statements.parse(json.dumps(json.loads(a_text())).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another Name"},
        {"expires": "2089-01-01T00:00:00Z"},
        {"by_itself": bytes(64)},
        {"by_earlier": bytes(64)},
    ],
)
def test_what_a_key_did_not_say_of_itself_is_refused(change: dict[str, Any]) -> None:
    statement = replace(the_signing_key().signer.statement, **change)
    with pytest.raises(SignatureError):
        statements.check(Signer(statements=(statement,)))


def test_a_key_that_was_not_appointed_comes_after_none(tmp_path: Path) -> None:
    first, other = the_signing_key().signer, a_signing_key(tmp_path / "other").signer
    with pytest.raises(SignatureError):
        statements.check(Signer(statements=(first.statement, other.statement)))


def test_an_appointment_is_no_signature_of_a_bundle(tmp_path: Path) -> None:
    after = a_signing_key(tmp_path / "new", not_before=NOW, after=the_signing_key())
    statement = after.signer.statement
    swapped = replace(statement, by_itself=statement.by_earlier, by_earlier=statement.by_itself)
    with pytest.raises(SignatureError):
        statements.check(Signer(statements=(the_signing_key().signer.statement, swapped)))
