import msgspec
import pytest

from gateway.contract.claims import Claims
from gateway.policy.flags import MAX_FLAGS, enabled_flags
from tests.builders import some_claims

HEADER = b"x-gitlab-enabled-feature-flags"


def claims(*flags: str) -> Claims:
    return msgspec.convert(some_claims(flags=list(flags)), Claims)


def test_a_token_of_ours_says_which_flags_are_on() -> None:
    on = enabled_flags(claims("new", "old"), {}, kind="casemate", switched_off=())
    assert on == {"new", "old"}


def test_what_is_off_for_everyone_is_off() -> None:
    on = enabled_flags(claims("new", "old"), {}, kind="casemate", switched_off={"new", "other"})
    assert on == {"old"}


@pytest.mark.parametrize("kind", ["casemate", "user"])
def test_a_header_beside_a_users_token_switches_nothing_on(kind: str) -> None:
    on = enabled_flags(claims(), {HEADER: b"new"}, kind=kind, switched_off=())  # type: ignore[arg-type]  # parametrised
    assert on == frozenset()


def test_a_gitlabs_own_token_brings_its_flags_in_a_header() -> None:
    on = enabled_flags(claims(), {HEADER: b"new, older,"}, kind="gitlab", switched_off={"new"})
    assert on == {"new", "older"}
    assert enabled_flags(claims("new"), {}, kind="gitlab", switched_off=()) == frozenset()


@pytest.mark.parametrize("name", [b"New", b"new-flag", b"1st", b"x" * 256, b"\xff", b"a b"])
def test_what_is_no_flags_name_is_left_out(name: bytes) -> None:
    assert not enabled_flags(claims(), {HEADER: name}, kind="gitlab", switched_off=())


def test_no_more_flags_count_than_anybody_has() -> None:
    names = b",".join(b"flag_%d" % number for number in range(MAX_FLAGS + 50))
    assert (
        len(enabled_flags(claims(), {HEADER: names}, kind="gitlab", switched_off=())) == MAX_FLAGS
    )
