from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import text

from appliance.audit import tables, usecases
from appliance.audit.rules import Target, user_actor
from appliance.storage.engine import Db, Session, database_url
from appliance.storage.paging import Page
from tests.instance_builders import NOW

ADA = user_actor(7, "ada")
DETAILS = {"name": "Zoë \ud83d", "share": 0.1, "big": 2**60, "none": None, "list": [1, {"a": 1.0}]}


def _record(db: Db, number: int, **details: Any) -> None:
    def work(session: Session) -> None:
        usecases.record(
            session,
            "user_changed",
            actor=ADA,
            target=Target(kind="user", id=str(number)),
            details=details,
            now=NOW + timedelta(microseconds=number),
        )

    db.write_blocking(work)


def _run(db: Db, *statements: str) -> None:
    def work(session: Session) -> None:
        for statement in statements:
            session.execute(text(statement))

    db.write_blocking(work)


def test_what_was_recorded_is_intact_when_read_by_another_start(db: Db, migrated_url: str) -> None:
    for number in range(1, 6):
        _record(db, number, **DETAILS)
    with closing(Db(database_url(migrated_url))) as again:
        verdict = again.read_blocking(usecases.verify)
    assert (verdict.is_intact, verdict.entries) == (True, 5)


def test_numbers_have_no_gaps_when_many_write_at_once(db: Db) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: _record(db, number), range(40)))
    verdict = db.read_blocking(usecases.verify)
    assert (verdict.is_intact, verdict.entries) == (True, 40)


def test_what_is_taken_back_leaves_no_gap(db: Db) -> None:
    def fail(session: Session) -> None:
        target = Target(kind="user", id="1")
        usecases.record(session, "x", actor=ADA, target=target, details={}, now=NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.write_blocking(fail)
    _record(db, 1)
    assert db.read_blocking(usecases.verify).entries == 1


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE audit_events SET actor_name = 'bob' WHERE sequence = 3", 3),
        ("UPDATE audit_events SET details = '{}' WHERE sequence = 2", 2),
        ("DELETE FROM audit_events WHERE sequence = 4", 4),
        ("DELETE FROM audit_events WHERE sequence >= 4", 4),
        ("DELETE FROM audit_events", 1),
        ("UPDATE audit_events SET sequence = 0 WHERE sequence = 1", 1),
        ("DELETE FROM audit_heads", 1),
        ("UPDATE audit_heads SET sequence = 4", 4),
    ],
)
def test_what_was_done_to_the_rows_is_found(db: Db, statement: str, first_bad: int) -> None:
    for number in range(1, 6):
        _record(db, number, name="x")
    _run(db, statement)
    assert db.read_blocking(usecases.verify).first_bad == first_bad


def test_rows_that_changed_places_are_found(db: Db) -> None:
    for number in range(1, 6):
        _record(db, number)
    swap = "UPDATE audit_events SET sequence = {} WHERE sequence = {}"
    _run(db, swap.format(99, 2), swap.format(2, 4), swap.format(4, 99))
    assert db.read_blocking(usecases.verify).first_bad == 2


def test_a_log_of_many_batches_is_walked(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 2)
    for number in range(1, 6):
        _record(db, number)
    verdict = db.read_blocking(usecases.verify)
    assert (verdict.is_intact, verdict.entries) == (True, 5)


def test_entries_are_listed_newest_first_and_filtered(db: Db) -> None:
    for number in range(1, 6):
        _record(db, number)

    def listed(**wanted: Any) -> list[int]:
        page = Page.asked(1, 20)
        work: Callable[[Session], Any] = lambda s: usecases.list_events(s, page, **wanted)  # noqa: E731  # short
        return [event.sequence for event in db.read_blocking(work).items]

    assert listed() == [5, 4, 3, 2, 1]
    assert listed(action="nothing") == []
    assert listed(created_after=NOW + timedelta(microseconds=4)) == [5, 4]
    assert listed(created_before=NOW + timedelta(microseconds=2)) == [2, 1]
