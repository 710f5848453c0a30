import json
from typing import Any

import pytest

from appliance.licensing import errors
from appliance.licensing.rules import files
from gateway.contract.catalog import parse_catalog
from tests.instance_builders import NOW
from tests.licence_builders import (
    CATALOG,
    CHANGE,
    INSTANCE_ID,
    LICENCE,
    SigningAuthority,
    a_document,
    a_line,
    encode,
)

AUTHORITY = SigningAuthority()


def read(text: str, **changes: Any) -> files.LicenceFile:
    known = {"trusted": AUTHORITY.authority, "instance_id": INSTANCE_ID, **changes}
    return files.read_licence(text, **known)


def check(*lines: dict[str, Any]) -> None:
    document = read(AUTHORITY.licence(*lines)).document
    files.check_lines(document, parse_catalog(CATALOG), at=NOW)


def test_a_good_licence_says_what_it_buys() -> None:
    line = read(AUTHORITY.licence(a_line(quantity=50, grace_days=0))).document.add_ons[0]
    item = line.item(3)
    assert (line.name, item.quantity, item.licence_id) == ("duo_enterprise", 50, 3)
    assert item.starts_at.isoformat() == "2026-01-01T00:00:00+00:00"
    assert item.grace_ends_at == item.ends_at


def test_fourteen_days_of_grace_unless_told_otherwise() -> None:
    item = read(AUTHORITY.licence(a_line())).document.add_ons[0].item(1)
    assert (item.grace_ends_at - item.ends_at).days == 14


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        "\ud800",
        " " * 70_000,
        json.dumps({"casemate_licence": 2, "document": "", "signature": "", "authority": ""}),
        AUTHORITY.signed(LICENCE, a_document(), extra=1),
        AUTHORITY.signed(LICENCE, a_document(), document="%%%"),
        AUTHORITY.signed(LICENCE, a_document(), signature="é"),
    ],
)
def test_what_is_no_licence_file_is_unreadable(text: str) -> None:
    with pytest.raises(errors.LicenceUnreadableError):
        read(text)


@pytest.mark.parametrize(
    "document",
    [
        b"no JSON",
        b"\xff",
        a_document(extra=1),
        a_document(serial="7"),
        a_document(licensee=""),
        a_document(licensee="two\nlines"),
        a_document(issued_at="2026-01-01T00:00:00"),
        a_document(add_ons=[]),
        a_document(*[a_line()] * 101),
        a_document(a_line(quantity=0)),
        a_document(a_line(quantity=1_000_001)),
        a_document(a_line(quantity=True)),
        a_document({**a_line(), "quantity": "10"}),
        a_document(a_line(ends_on="2026-01-01")),
        a_document(a_line(starts_on="1999-12-31")),
        a_document(a_line(ends_on="2200-01-02")),
        a_document(a_line(grace_days=366)),
        a_document(a_line(grace_days=-1)),
        a_document(a_line(namespace="")),
        a_document(a_line(extra=1)),
    ],
)
def test_a_signed_document_of_another_form_is_unreadable(document: Any) -> None:
    with pytest.raises(errors.LicenceUnreadableError):
        read(AUTHORITY.signed(LICENCE, document))


def test_a_changed_document_is_forged() -> None:
    other = encode(json.dumps(a_document(a_line(quantity=999))).encode())
    with pytest.raises(errors.LicenceForgedError):
        read(AUTHORITY.signed(LICENCE, a_document(), document=other))


@pytest.mark.parametrize("signature", ["", encode(b"x" * 64)])
def test_a_made_up_signature_is_forged(signature: str) -> None:
    with pytest.raises(errors.LicenceForgedError):
        read(AUTHORITY.signed(LICENCE, a_document(), signature=signature))


def test_what_was_signed_as_another_kind_of_file_is_forged() -> None:
    text = AUTHORITY.signed((LICENCE[0], CHANGE[1]), a_document())
    with pytest.raises(errors.LicenceForgedError):
        read(text)


@pytest.mark.parametrize("trusted", [None, SigningAuthority().authority])
def test_another_authoritys_licence_is_refused(trusted: files.Authority | None) -> None:
    with pytest.raises(errors.LicenceAuthorityUnknownError, match="SHA256:"):
        read(AUTHORITY.licence(), trusted=trusted)


def test_a_licence_for_another_instance_names_both() -> None:
    other = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(errors.LicenceForeignError, match=f"{other}.*{INSTANCE_ID}"):
        read(AUTHORITY.licence(instance_id=other))


def test_lines_of_the_catalogue_pass() -> None:
    check(a_line("seated"), a_line("hosting", accompanies="seated"), a_line("both"))


def test_an_add_on_that_nobody_knows_is_refused() -> None:
    with pytest.raises(errors.LicenceUnknownAddOnError):
        check(a_line("unheard"))


@pytest.mark.parametrize(
    "line",
    [
        a_line("hosting"),
        a_line("hosting", accompanies="both"),
        a_line("both", accompanies="seated"),
    ],
)
def test_a_wrong_companion_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(errors.LicenceUnreadableError, match="accompanies"):
        check(line)


def test_a_licence_is_over_once_the_last_line_is() -> None:
    over = a_line("seated", starts_on="2025-01-01", ends_on="2026-11-07")
    with pytest.raises(errors.LicenceExpiredError):
        check(over)
    check(over, a_line("both"))
    check({**over, "ends_on": "2026-11-08"})


def test_a_hand_over_names_the_next_authority() -> None:
    heir = SigningAuthority()
    text = AUTHORITY.hand_over(heir)
    assert files.read_change(text, trusted=AUTHORITY.authority) == heir.authority


def test_a_demo_authority_makes_only_demo_ones() -> None:
    demo = SigningAuthority(is_demo=True)
    assert files.read_change(demo.hand_over(SigningAuthority()), trusted=demo.authority).is_demo


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        AUTHORITY.licence(),
        AUTHORITY.signed(CHANGE, b"no JSON"),
        AUTHORITY.signed(CHANGE, {"new_key": AUTHORITY.public}),
        SigningAuthority().hand_over(SigningAuthority()),
        AUTHORITY.hand_over(AUTHORITY),
    ],
)
def test_any_other_change_of_authority_is_refused(text: str) -> None:
    with pytest.raises(errors.AuthorityChangeError):
        files.read_change(text, trusted=AUTHORITY.authority)


def test_nothing_is_handed_over_before_a_first_authority() -> None:
    with pytest.raises(errors.AuthorityChangeError):
        files.read_change(AUTHORITY.hand_over(SigningAuthority()), trusted=None)


@pytest.mark.parametrize("key", ["", "%", encode(b"x" * 31)])
def test_a_key_has_32_bytes(key: str) -> None:
    with pytest.raises(errors.AuthorityKeyInvalidError):
        files.authority_of(key, is_demo=False)


def test_the_first_authority_is_pinned_and_stays() -> None:
    known = AUTHORITY.authority
    assert files.check_pin(None, known)
    assert not files.check_pin(known, known)


def test_a_real_authority_takes_a_demo_ones_place() -> None:
    assert files.check_pin(SigningAuthority(is_demo=True).authority, AUTHORITY.authority)


@pytest.mark.parametrize("is_demo", [True, False])
def test_no_other_authority_comes_beside_a_real_one(is_demo: bool) -> None:
    with pytest.raises(errors.AuthorityPinnedError):
        files.check_pin(AUTHORITY.authority, SigningAuthority(is_demo=is_demo).authority)


def test_a_demo_key_does_not_become_a_real_one() -> None:
    demo = SigningAuthority(is_demo=True)
    real = SigningAuthority(is_demo=False, key=demo.key)
    with pytest.raises(errors.AuthorityPinnedError):
        files.check_pin(demo.authority, real.authority)
