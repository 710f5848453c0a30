import csv
import io
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from appliance.errors import InvalidFieldsError
from appliance.usage.rules import (
    MAX_LINES,
    DayKey,
    Group,
    Line,
    Sums,
    add_up,
    asked_days,
    asked_groups,
    check_length,
    moment,
    refusal,
    to_csv,
    to_rows,
)
from tests.builders import a_usage_event

NOW = datetime(2027, 1, 15, 8, 0, 30, tzinfo=UTC)
KEEPS = timedelta(days=90)
TODAY = NOW.date()


def refused(**changes: Any) -> str | None:
    return refusal(a_usage_event(**changes), now=NOW, keeps=KEEPS)


def at(moved: timedelta) -> float:
    return (NOW + moved).timestamp()


def test_an_ordinary_event_counts() -> None:
    assert refused(prompt_tokens=0, namespace_id=1, duration_ms=0.5) is None


@pytest.mark.parametrize("outcome", ["interrupted", "aborted", "failed"])
def test_an_event_counts_however_its_call_ended(outcome: str) -> None:
    assert refused(outcome=outcome, status=0) is None


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"happened_at": at(timedelta(minutes=5))}, True),
        ({"happened_at": at(timedelta(minutes=5, seconds=1))}, False),
        ({"happened_at": at(-KEEPS)}, True),
        ({"happened_at": at(-KEEPS - timedelta(seconds=1))}, False),
        ({"happened_at": math.inf}, False),
        ({"happened_at": math.nan}, False),
        ({"event_id": "short"}, False),
        ({"feature": ""}, False),
        ({"feature": "Duo Chat"}, False),
        ({"feature": "f" * 100}, True),
        ({"feature": "f" * 101}, False),
        ({"provider": "=shm"}, False),
        ({"unit_primitive": "x\n"}, False),
        ({"model": "m" * 255}, True),
        ({"model": "m" * 256}, False),
        ({"model": ""}, False),
        ({"model": "a\0b"}, False),
        ({"request_id": "r" * 256}, False),
        ({"subject": ""}, False),
        ({"issuer": "i" * 256}, False),
        ({"status": 599}, True),
        ({"status": 600}, False),
        ({"status": -1}, False),
        ({"prompt_tokens": -1}, False),
        ({"completion_tokens": 2**31 - 1}, True),
        ({"completion_tokens": 2**31}, False),
        ({"namespace_id": 0}, False),
        ({"root_namespace_id": 2**31}, False),
        ({"duration_ms": -0.1}, False),
        ({"first_token_ms": math.nan}, False),
        ({"queue_ms": math.inf}, False),
    ],
)
def test_what_counts_and_what_is_refused(changes: dict[str, Any], *, counts: bool) -> None:
    assert (refused(**changes) is None) is counts


def test_sums_are_kept_apart_by_day_feature_provider_model_group_and_user() -> None:
    midnight = datetime(2027, 1, 15, tzinfo=UTC).timestamp()
    events = [
        a_usage_event(happened_at=midnight - 0.1, prompt_tokens=1, completion_tokens=2),
        a_usage_event(happened_at=midnight, prompt_tokens=3),
        a_usage_event(happened_at=midnight, outcome="failed", prompt_tokens=10),
        a_usage_event(happened_at=midnight, namespace_id=4),
        a_usage_event(happened_at=midnight, subject="stranger"),
    ]
    sums = add_up(events, user_ids={"user-1": 7})
    named = {"feature": "duo_chat", "provider": "shm", "model": "demo"}
    before, after = date(2027, 1, 14), date(2027, 1, 15)
    assert sums == {
        DayKey(day=before, namespace_id=0, user_id=7, **named): Sums(
            requests=1, answered=1, prompt_tokens=1, completion_tokens=2
        ),
        DayKey(day=after, namespace_id=0, user_id=7, **named): Sums(
            requests=2, answered=1, prompt_tokens=13
        ),
        DayKey(day=after, namespace_id=4, user_id=7, **named): Sums(requests=1, answered=1),
        DayKey(day=after, namespace_id=0, user_id=0, **named): Sums(requests=1, answered=1),
    }
    assert list(sums) == sorted(sums)


def test_an_event_happened_in_utc() -> None:
    assert moment(a_usage_event(happened_at=0.5)) == datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC)


def test_groups_are_named_with_commas() -> None:
    assert asked_groups("day, user") == (Group.DAY, Group.USER)


@pytest.mark.parametrize("text", ["", "day,day", "hour", "day,"])
def test_groups_that_there_are_not(text: str) -> None:
    with pytest.raises(InvalidFieldsError, match="group_by"):
        asked_groups(text)


def test_a_question_without_days_is_about_the_last_thirty() -> None:
    assert asked_days(None, None, today=TODAY) == (date(2026, 12, 17), TODAY)
    assert asked_days(None, date(2026, 1, 30), today=TODAY)[0] == date(2026, 1, 1)
    assert asked_days(TODAY, TODAY, today=TODAY) == (TODAY, TODAY)


def test_the_first_day_is_not_after_the_last() -> None:
    with pytest.raises(InvalidFieldsError, match="from"):
        asked_days(TODAY, TODAY - timedelta(days=1), today=TODAY)


def test_an_answer_may_be_too_long() -> None:
    check_length(MAX_LINES)
    with pytest.raises(InvalidFieldsError, match="fewer"):
        check_length(MAX_LINES + 1)


def test_no_group_and_nobody_are_none() -> None:
    line = Line(values=(TODAY, 0, 7), sums=Sums(requests=2))
    groups = (Group.DAY, Group.NAMESPACE, Group.USER)
    assert to_rows(groups, [line]) == [
        {
            "day": TODAY,
            "namespace_id": None,
            "user_id": 7,
            "requests": 2,
            "answered": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
        }
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(start: str) -> None:
    model = f'{start}cmd|" /C calc",'
    text = to_csv((Group.MODEL, Group.DAY), [Line(values=(model, TODAY), sums=Sums())])
    header, cells = csv.reader(io.StringIO(text, newline=""))
    assert header[:3] == ["model", "day", "requests"]
    assert cells == [f"'{model}", "2027-01-15", "0", "0", "0", "0"]
