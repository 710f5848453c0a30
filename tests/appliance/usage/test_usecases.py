from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from sqlmodel import select

from appliance.storage.engine import Db
from appliance.storage.paging import Page
from appliance.usage import usecases
from appliance.usage.rules import Extent, Group, Line, Retention, Sums
from appliance.usage.tables import UsageEventRow
from gateway.contract.events import RefusedEvent, UsageEvent
from tests.builders import a_usage_event

NOW = datetime(2027, 1, 15, 8, 0, 30, tzinfo=UTC)
KEEPS = timedelta(days=90)
EVER = Extent(first=date(2026, 1, 1), last=date(2028, 1, 1))


def count(
    db: Db, *events: UsageEvent, gateway: str = "g", now: datetime = NOW
) -> Sequence[RefusedEvent]:
    return db.write_blocking(
        lambda session: usecases.count(
            session, gateway, events, user_ids={"user-1": 7}, now=now, keeps=KEEPS
        )
    )


def lines(db: Db, *groups: Group, extent: Extent = EVER) -> Sequence[Line]:
    return db.read_blocking(lambda session: usecases.sum_up(session, extent, groups))


def total(db: Db, **narrowed: Any) -> Sums:
    extent = Extent(first=EVER.first, last=EVER.last, **narrowed)
    found = lines(db, Group.FEATURE, extent=extent)
    return found[0].sums if found else Sums()


def stored(db: Db) -> int:
    query = select(UsageEventRow.event_id)
    return len(db.read_blocking(lambda session: session.exec(query).all()))


def test_what_is_counted_adds_up(db: Db) -> None:
    assert count(db, a_usage_event(1, prompt_tokens=5), a_usage_event(2, prompt_tokens=6)) == []
    assert count(db, a_usage_event(3, outcome="failed")) == []
    assert total(db) == Sums(requests=3, answered=2, prompt_tokens=11)


def test_an_event_counts_once_in_a_batch_and_over_all_batches(db: Db) -> None:
    event = a_usage_event(1, prompt_tokens=5)
    for _ in range(3):
        assert count(db, event, event) == []
    assert total(db) == Sums(requests=1, answered=1, prompt_tokens=5)
    assert stored(db) == 1


def test_another_gateway_s_event_of_that_id_is_another_event(db: Db) -> None:
    count(db, a_usage_event(1), gateway="one")
    count(db, a_usage_event(1), gateway="two")
    assert total(db).requests == 2


def test_a_bad_event_is_refused_and_the_others_count(db: Db) -> None:
    ahead = a_usage_event(2, happened_at=(NOW + timedelta(hours=1)).timestamp())
    refused = count(db, a_usage_event(1), ahead, a_usage_event(3, provider="?"))
    assert [each.event_id for each in refused] == [ahead.event_id, a_usage_event(3).event_id]
    assert "future" in refused[0].reason
    assert total(db).requests == 1


def test_nothing_at_all_is_counted_as_nothing(db: Db) -> None:
    assert count(db) == []
    assert lines(db, Group.DAY) == []


def test_batches_that_come_at_once_lose_and_double_nothing(db: Db) -> None:
    batches = [[a_usage_event(10 * n + m) for m in range(15)] for n in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: count(db, *batch), batches))
    assert total(db).requests == stored(db) == 125


def test_a_pruned_event_that_comes_again_does_not_count_twice(db: Db) -> None:
    event = a_usage_event(1)
    count(db, event)
    later = NOW + KEEPS + timedelta(minutes=1)
    retention = Retention(events=KEEPS, sums=timedelta(days=400))
    db.write_blocking(lambda session: usecases.prune(session, retention, now=later))
    assert stored(db) == 0
    assert len(count(db, event, now=later)) == 1
    assert total(db).requests == 1


def test_sums_are_forgotten_when_their_time_has_come(db: Db) -> None:
    count(db, a_usage_event(1))
    retention = Retention(events=KEEPS, sums=timedelta(days=400))
    for days, kept in ((400, 1), (401, 0)):
        at = NOW + timedelta(days=days)
        db.write_blocking(partial(usecases.prune, retention=retention, now=at))
        assert total(db).requests == kept


def test_sums_by_any_groups_of_some_days_users_and_groups(db: Db) -> None:
    day = timedelta(days=1).total_seconds()
    at = NOW.timestamp() - day
    count(
        db,
        a_usage_event(1, happened_at=at - day, model="a"),
        a_usage_event(2, happened_at=at, model="b", namespace_id=3),
        a_usage_event(3, happened_at=at, model="b", subject="other"),
    )
    by_model = lines(db, Group.MODEL, Group.DAY)
    assert [(line.values[0], line.sums.requests) for line in by_model] == [("a", 1), ("b", 2)]
    assert total(db, user_id=7).requests == 2
    assert total(db, user_id=7, namespace_ids=frozenset({3, 4})).requests == 1
    one_day = Extent(first=date(2027, 1, 14), last=date(2027, 1, 14))
    assert lines(db, Group.FEATURE, extent=one_day)[0].sums.requests == 2


def test_single_events_come_newest_first_as_they_were_told(db: Db) -> None:
    full = a_usage_event(
        2,
        happened_at=NOW.timestamp() - 1,
        namespace_id=3,
        root_namespace_id=1,
        prompt_tokens=4,
        first_token_ms=1.5,
        duration_ms=2.5,
    )
    count(db, a_usage_event(1, happened_at=NOW.timestamp() - 9), full)
    page = Page(number=1, size=1)

    found = db.read_blocking(lambda session: usecases.list_events(session, EVER, page))
    assert (found.total, [each.event for each in found.items]) == (2, [full])
    assert (found.items[0].user_id, found.items[0].gateway_id) == (7, "g")
    narrow = Extent(first=NOW.date(), last=NOW.date(), user_id=7, namespace_ids=frozenset({3}))
    found = db.read_blocking(lambda session: usecases.list_events(session, narrow, page))
    assert found.total == 1
