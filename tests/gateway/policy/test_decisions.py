import secrets
from dataclasses import replace

import pytest

from gateway.contract.ulids import is_ulid
from gateway.policy.decisions import MAX_OF_ONE_CALLER, DecisionBook, Refusal

NOW = 1_800_000_000.0


def a_refusal(**changes: object) -> Refusal:
    plain = Refusal(
        issuer="http://instance.test",
        subject="user-1",
        code="feature_not_granted",
        unit_primitive="duo_chat",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # a test's own fields


@pytest.fixture
def book() -> DecisionBook:
    return DecisionBook(secrets.token_bytes)


def test_a_decision_tells_what_was_refused_and_when(book: DecisionBook) -> None:
    refusal = a_refusal(namespace_id=7, provider="shm", model="demo")
    decision, is_new = book.enter(refusal, now=NOW)
    assert is_new
    assert is_ulid(decision.decision_id)
    assert decision.happened_at == NOW
    told = {name: getattr(decision, name) for name in Refusal.__slots__}
    assert Refusal(**told) == refusal


def test_a_refusal_for_an_address_tells_it(book: DecisionBook) -> None:
    first, _ = book.enter(a_refusal(address="10.0.0.1"), now=NOW)
    second, is_new = book.enter(a_refusal(address="10.0.0.2"), now=NOW)
    assert (first.address, second.address, is_new) == ("10.0.0.1", "10.0.0.2", True)


def test_the_same_refusal_within_a_minute_is_the_same_decision(book: DecisionBook) -> None:
    first, _ = book.enter(a_refusal(), now=NOW)
    assert book.enter(a_refusal(), now=NOW + 59.9) == (first, False)
    later, is_new = book.enter(a_refusal(), now=NOW + 60)
    assert is_new
    assert later.decision_id != first.decision_id


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://other.test"},
        {"subject": "user-2"},
        {"code": "provider_not_entitled"},
        {"unit_primitive": "complete_code"},
        {"namespace_id": 7},
        {"provider": "shm"},
        {"model": "demo"},
    ],
)
def test_what_differs_in_anything_is_another_decision(
    book: DecisionBook, changes: dict[str, object]
) -> None:
    first, _ = book.enter(a_refusal(), now=NOW)
    other, is_new = book.enter(a_refusal(**changes), now=NOW)
    assert is_new
    assert other.decision_id != first.decision_id


def test_a_caller_who_asks_for_ever_new_things_gets_a_few_ids_and_then_one(
    book: DecisionBook,
) -> None:
    asked = [a_refusal(unit_primitive=f"made_up_{each}") for each in range(1000)]
    decisions = [book.enter(each, now=NOW)[0] for each in asked]
    assert len({each.decision_id for each in decisions}) == MAX_OF_ONE_CALLER + 1
    assert decisions[-1].unit_primitive == ""
    assert book.enter(asked[0], now=NOW) == (decisions[0], False)
    assert book.enter(a_refusal(subject="user-2"), now=NOW)[1]


def test_a_caller_is_told_apart_again_after_a_minute(book: DecisionBook) -> None:
    for each in range(MAX_OF_ONE_CALLER + 5):
        book.enter(a_refusal(unit_primitive=f"made_up_{each}"), now=NOW)
    decision, _ = book.enter(a_refusal(), now=NOW + 60)
    assert decision.unit_primitive == "duo_chat"


def test_of_too_many_the_oldest_is_forgotten() -> None:
    book = DecisionBook(secrets.token_bytes, max_kept=2)
    for subject in ("user-1", "user-2", "user-3"):
        book.enter(a_refusal(subject=subject), now=NOW)
    assert book.enter(a_refusal(subject="user-3"), now=NOW)[1] is False
    assert book.enter(a_refusal(subject="user-1"), now=NOW)[1] is True


def test_a_clock_that_was_set_back_keeps_no_id_alive(book: DecisionBook) -> None:
    book.enter(a_refusal(), now=NOW)
    assert book.enter(a_refusal(), now=NOW - 3600)[1] is True


def test_what_a_client_names_is_short_and_printable(book: DecisionBook) -> None:
    decision, _ = book.enter(a_refusal(unit_primitive="a\nb\x00" + "x" * 1000), now=NOW)
    assert decision.unit_primitive.startswith("a?b?x")
    assert len(decision.unit_primitive) == 255
