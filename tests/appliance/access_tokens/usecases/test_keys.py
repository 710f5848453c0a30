from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select

from appliance.access_tokens import usecases
from appliance.access_tokens.rules import SigningKey, Timing
from appliance.access_tokens.tables import SigningKeyRow
from appliance.access_tokens.usecases import FreshKey
from appliance.audit.rules import SYSTEM
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.storage.engine import Db
from appliance.storage.outbox import OutboxRow
from appliance.storage.paging import Page
from appliance.storage.sealing import Sealer
from tests.instance_builders import NOW

MINUTE = timedelta(minutes=1)
TIMING = Timing(life=timedelta(days=1), max_age=MINUTE)


@pytest.fixture(scope="module")
def fresh() -> list[FreshKey]:
    return [usecases.make_key(Sealer(b"m" * 32)) for _ in range(3)]


class Keys:
    """The signing keys of a database, and what is done to them."""

    def __init__(self, db: Db) -> None:
        self.db = db

    def rotate(self, fresh: FreshKey, *, now: datetime = NOW) -> bool:
        return self.db.write_blocking(
            lambda session: usecases.rotate(session, fresh, actor=SYSTEM, now=now)
        )

    def kill(self, kid: str | None, fresh: FreshKey, *, now: datetime = NOW) -> str:
        return self.db.write_blocking(
            lambda session: usecases.kill_key(session, kid, fresh, actor=SYSTEM, now=now)
        )

    def step(self, now: datetime, fresh: FreshKey | None = None, **held: set[str]) -> None:
        self.db.write_blocking(
            lambda session: usecases.step_rotation(
                session, fresh, held=held, timing=TIMING, now=now
            )
        )

    def all(self) -> dict[str, SigningKey]:
        return {each.kid: each for each in self.db.read_blocking(usecases.signing_keys)}

    def states(self) -> list[str]:
        return sorted(key.state for key in self.all().values())

    def current(self) -> str:
        (kid,) = [kid for kid, key in self.all().items() if key.state == "current"]
        return kid

    def published(self) -> set[str]:
        return {key.kid for key in self.db.read_blocking(usecases.published_keys)}

    def told(self) -> list[tuple[str, str]]:
        query = select(OutboxRow).where(OutboxRow.topic == "signing_key")
        rows = query.order_by(col(OutboxRow.sequence))
        found = self.db.read_blocking(lambda session: session.exec(rows).all())
        return [(row.payload["kid"], row.payload["change"]) for row in found]

    def sealed(self) -> dict[str, bytes]:
        query = select(SigningKeyRow)
        found = self.db.read_blocking(lambda session: session.exec(query).all())
        return {row.kid: row.sealed_private_key for row in found}


@pytest.fixture
def keys(db: Db, sealer: Sealer) -> Keys:
    db.write_blocking(lambda session: usecases.ensure_signing_key(session, sealer, now=NOW))
    return Keys(db)


def test_a_key_becomes_next_then_current_then_retired_then_gone(
    keys: Keys, fresh: list[FreshKey]
) -> None:
    old, new = keys.current(), fresh[0].public.kid
    assert keys.rotate(fresh[0])
    keys.step(NOW + MINUTE, gateway={old})
    assert keys.current() == old, "a gateway lacks the next one"
    keys.step(NOW + MINUTE, gateway={old, new})
    assert keys.current() == new
    assert keys.all()[new].signs_since == NOW + MINUTE
    assert keys.all()[old].ended_at == NOW + MINUTE
    assert keys.published() == {old, new}
    keys.step(NOW + timedelta(hours=2))
    assert keys.published() == {new}
    assert keys.told() == [
        (old, "created"),
        (new, "created"),
        (old, "retired"),
        (new, "promoted"),
        (old, "gone"),
    ]


def test_a_key_that_signs_no_more_has_no_private_half(keys: Keys, fresh: list[FreshKey]) -> None:
    old = keys.current()
    keys.rotate(fresh[0])
    assert keys.sealed()[old]
    keys.step(NOW + MINUTE)
    assert not keys.sealed()[old]
    assert keys.sealed()[keys.current()]


def test_after_its_life_a_key_is_followed_by_the_one_that_was_brought(
    keys: Keys, fresh: list[FreshKey]
) -> None:
    due = NOW + TIMING.life
    keys.step(due - 2 * MINUTE, fresh[0])
    keys.step(due)
    assert keys.states() == ["current"]
    keys.step(due, fresh[0])
    assert keys.states() == ["current", "next"]
    step = keys.db.read_blocking(
        lambda session: usecases.due_step(session, {}, timing=TIMING, now=due + MINUTE)
    )
    assert step is not None
    assert (step.action, step.kid) == ("promote", fresh[0].public.kid)


def test_two_admins_at_once_begin_one_rotation(keys: Keys, fresh: list[FreshKey]) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(keys.rotate, fresh)) == [False, False, True]
    assert keys.states() == ["current", "next"]


def test_a_compromised_key_is_followed_at_once(keys: Keys, fresh: list[FreshKey]) -> None:
    old, new = keys.current(), fresh[0].public.kid
    assert keys.kill(None, fresh[0]) == old
    assert (keys.current(), keys.published()) == (new, {new})
    assert keys.all()[old].state == "dead"
    assert not keys.sealed()[old]
    assert keys.told()[1:] == [(old, "dead"), (new, "created"), (new, "promoted")]
    assert keys.kill(old, fresh[1]) == old, "once more changes nothing"
    assert len(keys.told()) == 4
    keys.step(NOW + timedelta(hours=2))
    assert list(keys.all()) == [new]


def test_the_next_key_takes_the_place_of_a_compromised_one(
    keys: Keys, fresh: list[FreshKey]
) -> None:
    keys.rotate(fresh[0])
    keys.kill(keys.current(), fresh[1])
    assert keys.current() == fresh[0].public.kid
    assert keys.states() == ["current", "dead"]


def test_a_compromised_next_key_is_replaced(keys: Keys, fresh: list[FreshKey]) -> None:
    old = keys.current()
    keys.rotate(fresh[0])
    keys.kill(fresh[0].public.kid, fresh[1])
    assert keys.current() == old
    assert keys.published() == {old, fresh[1].public.kid}


def test_a_compromised_retired_key_ends_alone(keys: Keys, fresh: list[FreshKey]) -> None:
    old = keys.current()
    keys.rotate(fresh[0])
    keys.step(NOW + MINUTE)
    keys.kill(old, fresh[1])
    assert keys.states() == ["current", "dead"]
    assert keys.published() == {fresh[0].public.kid}


def test_an_unknown_key_cannot_be_compromised(keys: Keys, fresh: list[FreshKey]) -> None:
    with pytest.raises(NotFoundError):
        keys.kill("nobody", fresh[0])


def test_every_change_of_a_key_is_in_the_log(keys: Keys, fresh: list[FreshKey]) -> None:
    old = keys.current()
    keys.rotate(fresh[0])
    keys.kill(None, fresh[1])
    keys.step(NOW + timedelta(hours=2))
    page = Page.asked(1, 9)
    events = keys.db.read_blocking(lambda session: list_events(session, page)).items
    assert [(each.entry.action, each.entry.target.id) for each in events][::-1] == [
        ("signing_key_created", fresh[0].public.kid),
        ("signing_key_killed", old),
        ("signing_key_promoted", fresh[0].public.kid),
        ("signing_key_removed", old),
    ]
    assert events[2].entry.details == {"was": "current"}


def test_a_clock_that_ran_ahead_leaves_no_time_to_come(keys: Keys, fresh: list[FreshKey]) -> None:
    year = timedelta(days=365)
    keys.rotate(fresh[0], now=NOW + year)
    keys.step(NOW + year + MINUTE)
    keys.rotate(fresh[1], now=NOW + year + MINUTE)
    keys.db.write_blocking(lambda session: usecases.forgive_clock(session, now=NOW))
    for key in keys.all().values():
        assert key.created_at <= NOW
        assert key.signs_since in {None, NOW}
        assert key.ended_at in {None, NOW}
    keys.step(NOW + MINUTE)
    assert keys.current() == fresh[1].public.kid


def test_a_fresh_key_does_not_show_its_private_half(fresh: list[FreshKey]) -> None:
    assert repr(fresh[0]) == f"FreshKey(kid={fresh[0].public.kid!r})"
