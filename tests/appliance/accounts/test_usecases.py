from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from appliance.accounts import usecases
from appliance.accounts.errors import LastAdminError
from appliance.accounts.rules import Profile, Scope
from appliance.audit.rules import SYSTEM, AuditEvent
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import OutboxRow, last_sequence
from appliance.storage.paging import Page
from tests.instance_builders import NOW


def _admin(session: Session, name: str) -> int:
    profile = Profile(username=name, name=name, email=f"{name}@b", is_admin=True)
    return usecases.create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW).id


def _demote(db: Db, number: int) -> bool:
    def work(session: Session) -> None:
        profile = Profile(is_admin=False)
        usecases.change_user(session, number, profile, password_hash=None, actor=SYSTEM, now=NOW)

    try:
        db.write_blocking(work)
    except LastAdminError:
        return False
    return True


def test_two_admins_demoted_at_once_leave_one(db: Db) -> None:
    one = db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(lambda admin: _demote(db, admin), (one, two)))
    assert done == [False, True]


def test_a_change_of_role_or_state_raises_the_generation(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))

    def change(profile: Profile) -> int:
        return db.write_blocking(
            lambda session: usecases.change_user(
                session, two, profile, password_hash=None, actor=SYSTEM, now=NOW
            )
        ).grant_generation

    assert change(Profile(name="Other")) == 0
    assert change(Profile(state="blocked")) == 1
    assert change(Profile(is_admin=False)) == 2


def test_every_change_of_a_user_is_published(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    before = db.read_blocking(last_sequence)
    db.write_blocking(lambda session: usecases.delete_user(session, two, actor=SYSTEM, now=NOW))
    assert db.read_blocking(last_sequence) > before


def test_an_unknown_name_is_not_found(db: Db) -> None:
    with pytest.raises(NotFoundError):
        db.read_blocking(lambda session: usecases.get_user_named(session, "nobody"))


def test_a_wish_does_not_show_its_token() -> None:
    wish = usecases.PatRequest(name="n", scopes=frozenset({Scope.API}), secret="canary")
    assert "canary" not in repr(wish)


def test_a_password_is_hashed_with_argon2id() -> None:
    hashed = usecases.hash_password("correct horse battery")
    assert hashed.startswith("$argon2id$")
    assert "horse" not in hashed


def _told(db: Db) -> list[dict[str, Any]]:
    """What the outbox says of users, oldest first."""
    newest = col(OutboxRow.sequence)
    query = select(OutboxRow).where(OutboxRow.topic == "user").order_by(newest)
    return [row.payload for row in db.read_blocking(lambda session: session.exec(query).all())]


def test_changed_grants_make_the_tokens_of_the_named_stale(db: Db) -> None:
    one = db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    before = len(_told(db))
    for named in ([], [two], [one, two]):
        db.write_blocking(lambda session: usecases.raise_generation(session, named, now=NOW))  # noqa: B023  # run at once
    users = db.read_blocking(lambda session: usecases.users_among(session, [one, two]))
    assert [users[each].grant_generation for each in (one, two)] == [1, 2]
    told = [{str(two): 1}, {str(one): 1, str(two): 2}]
    assert _told(db)[before:] == [
        {"change": "grants", "generations": each, "ends_streams": False} for each in told
    ]


def test_a_change_for_all_raises_the_era_and_nobody_s_own_generation(db: Db) -> None:
    one = db.write_blocking(lambda session: _admin(session, "one"))
    assert db.read_blocking(usecases.grant_era) == 0
    # The clock went back for the second: it is one more than before.
    for now in (NOW, NOW - timedelta(days=1)):
        db.write_blocking(lambda session: usecases.raise_generation(session, None, now=now))  # noqa: B023  # run at once
    millis = int(NOW.timestamp() * 1000)
    assert db.read_blocking(usecases.grant_era) == millis + 1
    assert _told(db)[-2:] == [
        {"change": "era", "era": millis},
        {"change": "era", "era": millis + 1},
    ]
    user = db.read_blocking(lambda session: usecases.get_user(session, one))
    assert user.grant_generation == 0


def test_a_change_for_very_many_is_one_for_all(db: Db) -> None:
    many = range(1, usecases.MOST_NAMED + 2)
    db.write_blocking(lambda session: usecases.raise_generation(session, many, now=NOW))
    assert _told(db) == [{"change": "era", "era": int(NOW.timestamp() * 1000)}]


@pytest.mark.parametrize(
    ("profile", "generation", "ends_streams"),
    [
        (Profile(name="Uno"), None, False),
        (Profile(is_admin=True), None, False),
        (Profile(is_admin=False), 1, False),
        (Profile(state="blocked"), 1, True),
    ],
)
def test_a_change_of_what_a_user_may_do_reaches_tokens_in_hand(
    db: Db, profile: Profile, generation: int | None, ends_streams: bool
) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    db.write_blocking(
        lambda session: usecases.change_user(
            session, two, profile, password_hash=None, actor=SYSTEM, now=NOW
        )
    )
    generations = {} if generation is None else {str(two): generation}
    told = {"change": "changed", "generations": generations, "ends_streams": ends_streams}
    assert _told(db)[-1] == told


def test_unblocking_does_not_end_streams(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    for state in ("blocked", "active"):
        profile = Profile(state=state)
        db.write_blocking(
            lambda session: usecases.change_user(
                session,
                two,
                profile,  # noqa: B023  # run at once
                password_hash=None,
                actor=SYSTEM,
                now=NOW,
            )
        )
    told = {"change": "changed", "generations": {str(two): 2}, "ends_streams": False}
    assert _told(db)[-1] == told


def test_the_tokens_of_a_deleted_user_are_stale(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    db.write_blocking(lambda session: usecases.delete_user(session, two, actor=SYSTEM, now=NOW))
    told = {"change": "deleted", "generations": {str(two): 1}, "ends_streams": True}
    assert _told(db)[-1] == told


def test_the_last_block_of_a_user_is_remembered(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))

    def change(profile: Profile, minute: int) -> datetime | None:
        now = NOW + timedelta(minutes=minute)
        return db.write_blocking(
            lambda session: usecases.change_user(
                session, two, profile, password_hash=None, actor=SYSTEM, now=now
            )
        ).last_blocked_at

    assert change(Profile(name="Two"), 0) is None
    assert change(Profile(state="blocked"), 1) == NOW + timedelta(minutes=1)
    assert change(Profile(state="blocked"), 2) == NOW + timedelta(minutes=1)
    assert change(Profile(state="active"), 3) == NOW + timedelta(minutes=1)


def test_what_is_done_to_a_user_is_in_the_log_without_secrets(db: Db) -> None:
    user = db.write_blocking(lambda session: _admin(session, "one"))
    profile = Profile(name="Uno", password="correct horse battery")

    def work(session: Session) -> list[AuditEvent]:
        usecases.change_user(session, user, profile, password_hash="canary", actor=SYSTEM, now=NOW)
        wish = usecases.PatRequest(name="n", scopes=frozenset({Scope.API}), secret="canary")
        usecases.create_pat(session, user, wish, actor=SYSTEM, now=NOW)
        return list(list_events(session, Page.asked(1, 9)).items)

    events = db.write_blocking(work)
    assert [event.entry.action for event in events] == [
        "access_token_created",
        "user_changed",
        "user_created",
    ]
    assert events[1].entry.details == {"name": "Uno", "password": "changed"}
    assert "canary" not in repr(events)
