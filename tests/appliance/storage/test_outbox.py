from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from appliance.storage.engine import Db
from appliance.storage.outbox import (
    OutboxRow,
    backlog,
    changes_after,
    changes_from,
    forget,
    is_changed_since,
    last_sequence,
    publish,
    reaches_back_to,
)
from tests.instance_builders import NOW


def _publish(session: Session) -> None:
    publish(session, "model", {"id": 1}, now=NOW)


def _numbers(db: Db) -> list[int]:
    query = select(OutboxRow.sequence).order_by(col(OutboxRow.sequence))
    found = db.read_blocking(lambda session: session.exec(query).all())
    return [number for number in found if number is not None]


def test_the_sequence_begins_at_zero_and_grows(db: Db) -> None:
    assert db.read_blocking(last_sequence) == 0
    db.write_blocking(_publish)
    first = db.read_blocking(last_sequence)
    db.write_blocking(_publish)
    assert db.read_blocking(last_sequence) > first > 0


def test_a_change_that_is_taken_back_publishes_nothing(db: Db) -> None:
    def fail(session: Session) -> None:
        _publish(session)
        raise KeyError

    with pytest.raises(KeyError):
        db.write_blocking(fail)
    assert db.read_blocking(last_sequence) == 0


def test_a_change_of_other_topics_is_none(db: Db) -> None:
    def is_changed(sequence: int, *topics: str) -> bool:
        return db.read_blocking(lambda session: is_changed_since(session, sequence, topics))

    assert not is_changed(0, "model")
    db.write_blocking(_publish)
    first = db.read_blocking(last_sequence)
    db.write_blocking(_publish)
    assert is_changed(first, "user", "model")
    assert not is_changed(first, "user")
    assert not is_changed(db.read_blocking(last_sequence), "user", "model")


def test_what_is_forgotten_may_have_been_a_change(db: Db) -> None:
    db.write_blocking(_publish)
    first = db.read_blocking(last_sequence)
    db.write_blocking(_publish)
    db.write_blocking(lambda session: forget(session, before=NOW + timedelta(days=1)))
    assert db.read_blocking(lambda session: is_changed_since(session, first, ["user"]))


def test_a_reader_never_sees_a_later_number_before_an_earlier_one(db: Db) -> None:
    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(db.write_blocking, _publish) for _ in range(24)]
        reads = [pool.submit(_numbers, db) for _ in range(24)]
        for write in writes:
            write.result()
        seen = [read.result() for read in reads]
    final = _numbers(db)
    assert len(set(final)) == 24
    # Whatever was seen was a beginning of the whole: nothing slipped in before it afterwards.
    assert all(final[: len(numbers)] == numbers for numbers in seen)


def test_old_changes_are_forgotten_but_never_the_newest(db: Db) -> None:
    for _ in range(3):
        db.write_blocking(_publish)
    numbers = _numbers(db)
    db.write_blocking(lambda session: forget(session, before=NOW))
    assert _numbers(db) == numbers
    db.write_blocking(lambda session: forget(session, before=NOW + timedelta(seconds=1)))
    assert _numbers(db) == numbers[-1:]


def test_a_commit_that_published_is_told_and_no_other(db: Db) -> None:
    told: list[str] = []
    stop = db.watch(lambda: told.append("told"))
    db.write_blocking(lambda session: publish(session, "user", {"id": 1}, now=NOW))
    db.read_blocking(last_sequence)
    stop()
    db.write_blocking(lambda session: publish(session, "user", {"id": 2}, now=NOW))
    assert told == ["told"]


def _publish_at(db: Db, topic: str, at: datetime) -> int:
    db.write_blocking(lambda session: publish(session, topic, {"at": at.isoformat()}, now=at))
    return db.read_blocking(last_sequence)


def _reaches(db: Db, sequence: int) -> bool:
    return db.read_blocking(lambda session: reaches_back_to(session, sequence))


def test_changes_are_read_in_order_from_a_number_or_from_a_moment(db: Db) -> None:
    topics = ("user", "model", "user", "key")
    numbers = [
        _publish_at(db, topic, NOW + timedelta(seconds=each)) for each, topic in enumerate(topics)
    ]
    after = db.read_blocking(lambda session: changes_after(session, numbers[1]))
    assert [(each.sequence, each.topic) for each in after] == [
        (numbers[2], "user"),
        (numbers[3], "key"),
    ]
    since = NOW + timedelta(seconds=1)
    found = db.read_blocking(lambda session: changes_from(session, since, {"user", "key"}))
    assert [each.sequence for each in found] == numbers[2:]
    assert found[0].payload == {"at": found[0].created_at.isoformat()}


def test_it_reaches_back_to_what_is_not_forgotten(db: Db) -> None:
    assert _reaches(db, 0)
    first, second, third = (_publish_at(db, "user", NOW + timedelta(days=day)) for day in range(3))
    assert all(_reaches(db, number) for number in (first, second, third))
    assert not _reaches(db, third + 1)
    db.write_blocking(lambda session: forget(session, before=NOW + timedelta(days=1)))
    assert not _reaches(db, first)
    assert _reaches(db, second)


def test_what_came_after_a_kept_change_is_kept_whatever_its_clock_said(db: Db) -> None:
    first = _publish_at(db, "user", NOW + timedelta(seconds=2))
    _publish_at(db, "user", NOW)
    _publish_at(db, "user", NOW + timedelta(seconds=3))
    db.write_blocking(lambda session: forget(session, before=NOW + timedelta(seconds=1)))
    assert _reaches(db, first)
    assert len(db.read_blocking(lambda session: changes_after(session, first))) == 2


def test_the_backlog_is_what_came_after(db: Db) -> None:
    first = _publish_at(db, "user", NOW)
    assert db.read_blocking(lambda session: backlog(session, first)) == (0, None)
    _publish_at(db, "user", NOW + timedelta(seconds=1))
    _publish_at(db, "user", NOW + timedelta(seconds=2))
    found = db.read_blocking(lambda session: backlog(session, first))
    assert found == (2, NOW + timedelta(seconds=1))
