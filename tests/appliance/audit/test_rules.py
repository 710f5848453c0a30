from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit.rules import (
    GENESIS,
    SYSTEM,
    AuditEvent,
    Entry,
    Link,
    Target,
    append,
    gateway_actor,
    judge,
    plain,
    problem_of,
    user_actor,
)
from tests.instance_builders import NOW


def _entry(number: int = 1, **details: object) -> Entry:
    return Entry(
        happened_at=NOW + timedelta(microseconds=number),
        action="seat_given",
        actor=user_actor(7, "ada"),
        target=Target(kind="user", id=str(number)),
        details=plain({"number": number, **details}),
    )


def _log(entries: int) -> list[AuditEvent]:
    events: list[AuditEvent] = []
    for number in range(1, entries + 1):
        after = events[-1].link if events else GENESIS
        events.append(append(_entry(number), after=after))
    return events


def test_an_empty_log_is_intact() -> None:
    verdict = judge([], head=GENESIS)
    assert (verdict.is_intact, verdict.entries) == (True, 0)


def test_a_log_as_it_was_written_is_intact() -> None:
    events = _log(5)
    verdict = judge(events, head=events[-1].link)
    assert (verdict.is_intact, verdict.entries, verdict.head) == (True, 5, events[-1].digest)


ENTRY_CHANGES = {
    "happened_at": NOW,
    "action": "seat_taken",
    "actor": SYSTEM,
    "target": Target(kind="user", id="99"),
    "details": {"number": "1"},
}


def _changed(event: AuditEvent, what: str) -> AuditEvent:
    if what in ENTRY_CHANGES:
        return replace(event, entry=replace(event.entry, **{what: ENTRY_CHANGES[what]}))  # type: ignore[arg-type]  # by name
    return replace(event, **{what: "f" * 64})  # type: ignore[arg-type]  # by name


@given(st.integers(1, 6), st.data())
def test_the_first_changed_entry_is_named(entries: int, data: st.DataObject) -> None:
    events = _log(entries)
    head = events[-1].link
    index = data.draw(st.integers(0, entries - 1))
    events[index] = _changed(
        events[index], data.draw(st.sampled_from([*ENTRY_CHANGES, "previous_digest", "digest"]))
    )
    verdict = judge(events, head=head)
    assert (verdict.is_intact, verdict.first_bad) == (False, index + 1)


@given(st.integers(1, 6), st.data())
def test_the_first_missing_entry_is_named(entries: int, data: st.DataObject) -> None:
    events = _log(entries)
    head = events[-1].link
    index = data.draw(st.integers(0, entries - 1))
    del events[index : index + data.draw(st.integers(1, entries))]
    verdict = judge(events, head=head)
    assert (verdict.first_bad, verdict.entries) == (index + 1, index)


@given(st.integers(2, 6), st.data())
def test_two_entries_that_changed_places_are_found(entries: int, data: st.DataObject) -> None:
    events = _log(entries)
    head = events[-1].link
    one, two = sorted(
        data.draw(st.sets(st.integers(0, entries - 1), min_size=2, max_size=2)),
    )
    first, second = events[one], events[two]
    events[one] = replace(second, sequence=first.sequence)
    events[two] = replace(first, sequence=second.sequence)
    assert judge(events, head=head).first_bad == one + 1


def test_a_cut_off_end_is_found() -> None:
    events = _log(5)
    verdict = judge(events[:3], head=events[-1].link)
    assert verdict.first_bad == 4
    assert verdict.reason == "Entry 4 and what followed it are cut off."


def test_an_end_that_was_rewritten_is_found() -> None:
    events = _log(3)
    verdict = judge(events, head=Link(sequence=3, digest="f" * 64))
    assert (verdict.first_bad, verdict.entries) == (3, 2)


def test_an_entry_past_the_end_is_found() -> None:
    events = _log(3)
    assert judge(events, head=events[1].link).first_bad == 3
    assert judge(events, head=GENESIS).first_bad == 1


def test_the_zone_a_moment_is_told_in_makes_no_difference() -> None:
    event = append(_entry(), after=GENESIS)
    elsewhere = event.entry.happened_at.astimezone(timezone(timedelta(hours=5)))
    assert (
        problem_of(replace(event, entry=replace(event.entry, happened_at=elsewhere)), after=GENESIS)
        is None
    )


@given(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)))
def test_plain_details_stay_as_they_are(details: dict[str, float]) -> None:
    assert plain(plain(details)) == plain(details)


def test_details_that_json_cannot_carry_are_a_fault() -> None:
    with pytest.raises(ValueError, match="JSON"):
        plain({"number": float("nan")})
    with pytest.raises(TypeError):
        plain({"moment": NOW})


def test_actors_of_different_kinds_are_different() -> None:
    assert user_actor(1, "x") != gateway_actor("1", "x")


def test_a_verdict_is_told_to_programs() -> None:
    assert judge([], head=GENESIS).summary() == {
        "intact": True,
        "entries": 0,
        "head": GENESIS.digest,
        "first_bad": None,
        "reason": None,
    }
