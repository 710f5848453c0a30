from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.accounts import usecases
from appliance.accounts.errors import LastAdminError
from appliance.accounts.rules import Profile, Scope
from appliance.errors import NotFoundError
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import last_sequence
from tests.instance_builders import NOW


def _admin(session: Session, name: str) -> int:
    profile = Profile(username=name, name=name, email=f"{name}@b", is_admin=True)
    return usecases.create_user(session, profile, password_hash=None, now=NOW).id


def _demote(db: Db, number: int) -> bool:
    def work(session: Session) -> None:
        profile = Profile(is_admin=False)
        usecases.change_user(session, number, profile, password_hash=None, now=NOW)

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
            lambda session: usecases.change_user(session, two, profile, password_hash=None, now=NOW)
        ).grant_generation

    assert change(Profile(name="Other")) == 0
    assert change(Profile(state="blocked")) == 1
    assert change(Profile(is_admin=False)) == 2


def test_every_change_of_a_user_is_published(db: Db) -> None:
    db.write_blocking(lambda session: _admin(session, "one"))
    two = db.write_blocking(lambda session: _admin(session, "two"))
    before = db.read_blocking(last_sequence)
    db.write_blocking(lambda session: usecases.delete_user(session, two, now=NOW))
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
