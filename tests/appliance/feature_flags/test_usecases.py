"""Flags in the database, on both kinds."""

import pytest

from appliance.accounts.rules import Profile
from appliance.accounts.usecases import create_user, get_user, grant_era
from appliance.audit.rules import SYSTEM
from appliance.audit.usecases import list_events
from appliance.feature_flags import usecases
from appliance.feature_flags.errors import FlagNotFoundError
from appliance.feature_flags.rules import GLOBAL_SWITCH, load_definitions
from appliance.feature_flags.tables import FlagGateRow
from appliance.storage.engine import Db
from appliance.storage.outbox import last_sequence
from appliance.storage.paging import Page
from tests.instance_builders import NOW, a_user


def set_flag(db: Db, value: bool | int, *subjects: tuple[str, int]) -> None:
    db.write_blocking(
        lambda session: usecases.set_flag(
            session,
            GLOBAL_SWITCH,
            value=value,
            subjects=subjects,  # type: ignore[arg-type]
            actor=SYSTEM,
            now=NOW,
        )
    )


def is_on(db: Db, user_id: int = 7, namespaces: tuple[int, ...] = ()) -> bool:
    user = a_user(id=user_id)
    on = db.read_blocking(
        lambda session: usecases.enabled_flags(session, user=user, namespaces=namespaces)
    )
    return GLOBAL_SWITCH in on


def test_a_flag_is_switched_and_reset(db: Db) -> None:
    assert is_on(db)
    set_flag(db, False)
    set_flag(db, True, ("namespace", 5))
    assert not is_on(db)
    assert is_on(db, namespaces=(1, 5))
    _reset(db, GLOBAL_SWITCH)
    assert is_on(db)
    assert not db.read_blocking(usecases.list_gates)


def test_what_is_set_for_others_says_nothing(db: Db) -> None:
    set_flag(db, False, ("user", 8), ("namespace", 7), ("namespace", 6))
    assert is_on(db, user_id=7, namespaces=(5, 8))
    assert not is_on(db, user_id=8)
    assert not is_on(db, user_id=6, namespaces=(6, 9))


def test_everyone_and_a_share_replace_each_other(db: Db) -> None:
    set_flag(db, 0)
    assert not is_on(db)
    set_flag(db, True)
    assert is_on(db)
    assert [gate.kind for gate in db.read_blocking(usecases.list_gates)] == ["everyone"]


def test_all_that_are_on(db: Db) -> None:
    set_flag(db, False, ("user", 7))
    on = db.read_blocking(
        lambda session: usecases.enabled_flags(session, user=a_user(), namespaces=())
    )
    assert on == set(load_definitions()) - {GLOBAL_SWITCH, "new_prompt_template"}


def test_a_change_is_told_and_logged(db: Db) -> None:
    before = db.read_blocking(last_sequence)
    set_flag(db, True)
    assert db.read_blocking(last_sequence) == before + 1
    events = db.read_blocking(lambda session: list_events(session, Page(number=1, size=9)))
    assert [event.entry.action for event in events.items] == ["feature_flag_set"]


def test_an_unknown_flag_is_refused(db: Db) -> None:
    with pytest.raises(FlagNotFoundError, match="lists all"):
        _reset(db, "nix")


def _era(db: Db) -> int:
    return db.read_blocking(grant_era)


def _user(db: Db) -> int:
    profile = Profile(username="ada", name="Ada", email="ada@b")
    return db.write_blocking(
        lambda session: create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
    ).id


def test_what_a_flag_takes_from_many_makes_all_tokens_stale(db: Db) -> None:
    set_flag(db, True)
    assert _era(db) == 0
    set_flag(db, 50)
    narrowed = _era(db)
    assert narrowed > 0
    set_flag(db, 60)
    assert _era(db) == narrowed
    set_flag(db, True, ("namespace", 5))
    assert _era(db) == narrowed
    _reset(db, GLOBAL_SWITCH)
    assert _era(db) > narrowed


def test_what_a_flag_takes_from_a_group_makes_all_tokens_stale(db: Db) -> None:
    set_flag(db, False, ("namespace", 5))
    assert _era(db) > 0


def test_what_a_flag_takes_from_a_user_makes_their_tokens_stale(db: Db) -> None:
    ada = _user(db)
    set_flag(db, False, ("user", ada))
    assert _era(db) == 0
    user = db.read_blocking(lambda session: get_user(session, ada))
    assert user.grant_generation == 1


def test_the_flags_that_are_off_for_everyone(db: Db) -> None:
    at_first = db.read_blocking(usecases.flags_off_for_everyone)
    assert at_first == {"new_prompt_template"}
    set_flag(db, False)
    assert db.read_blocking(usecases.flags_off_for_everyone) == {GLOBAL_SWITCH, *at_first}
    set_flag(db, True, ("user", 7))
    assert db.read_blocking(usecases.flags_off_for_everyone) == at_first


def test_pages_are_told_of_what_is_on_for_everyone(db: Db) -> None:
    shown = db.read_blocking(usecases.flags_of_page)
    assert {GLOBAL_SWITCH, "ai_duo_chat_switch"} <= shown
    assert not shown & {"ai_duo_chat_fix_code_switch", "new_prompt_template"}
    set_flag(db, False, ("user", 7))
    assert db.read_blocking(usecases.flags_of_page) == shown - {GLOBAL_SWITCH}


def _leave_over(db: Db, kind: str = "everyone") -> None:
    row = FlagGateRow(flag="of_another_release", gate=kind, value=1, updated_at=NOW)
    db.write_blocking(lambda session: session.add(row))


def _reset(db: Db, flag: str) -> None:
    db.write_blocking(lambda session: usecases.reset_flag(session, flag, actor=SYSTEM, now=NOW))


@pytest.mark.parametrize("kind", ["everyone", "percentage_of_time"])
def test_what_another_release_set_changes_nothing_and_is_found(db: Db, kind: str) -> None:
    _leave_over(db, kind)
    assert is_on(db)
    set_flag(db, True)
    found = db.read_blocking(lambda session: usecases.list_stale(session, version="0.1.0"))
    assert [(each.flag, each.kind) for each in found] == [("of_another_release", "unknown")]


def test_what_is_left_of_a_flag_is_reset_once(db: Db) -> None:
    _leave_over(db)
    _reset(db, "of_another_release")
    assert not db.read_blocking(usecases.list_gates)
    assert _era(db) == 0
    with pytest.raises(FlagNotFoundError):
        _reset(db, "of_another_release")


def test_who_misspells_a_flag_is_told_which_was_meant(db: Db) -> None:
    with pytest.raises(FlagNotFoundError, match="did you mean ai_global_switch"):
        _reset(db, "ai_globl_switch")
