from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.accounts.errors import (
    AdminNeededError,
    InsufficientScopeError,
    UnauthorizedError,
    UserBlockedError,
)
from appliance.accounts.rules import (
    Access,
    Caller,
    Profile,
    Scope,
    becomes_blocked,
    change_details,
    check_access,
    check_credential,
    check_pat_request,
    check_profile,
    complete,
    format_pat,
    grant_changes,
    is_active_admin,
    pat_digest,
    presented_pat,
    stops_being_active_admin,
)
from appliance.audit.rules import user_actor
from appliance.errors import InvalidFieldsError
from gateway.contract.introspection import is_well_formed_pat
from tests.instance_builders import NOW, a_caller, a_pat, a_user

GOOD_PAT = format_pat(b"\x07" * 20)


@given(st.binary(min_size=20, max_size=20))
def test_every_token_we_make_is_well_formed(random: bytes) -> None:
    assert is_well_formed_pat(format_pat(random))


@pytest.mark.parametrize("position", range(len(GOOD_PAT)))
def test_a_token_with_one_changed_letter_is_not(position: int) -> None:
    other = "b" if GOOD_PAT[position] != "b" else "c"
    changed = GOOD_PAT[:position] + other + GOOD_PAT[position + 1 :]
    assert not is_well_formed_pat(changed)


@pytest.mark.parametrize("text", ["", "casemate-pat-", GOOD_PAT + "\n", GOOD_PAT.upper(), "\x00"])
def test_garbage_is_no_token(text: str) -> None:
    assert not is_well_formed_pat(text)


def test_a_digest_does_not_show_the_token() -> None:
    assert GOOD_PAT[13:20] not in pat_digest(GOOD_PAT)


@pytest.mark.parametrize(
    ("private_token", "authorization"),
    [
        (GOOD_PAT, None),
        (None, f"Bearer {GOOD_PAT}"),
        (None, f"bearer {GOOD_PAT}"),
        (GOOD_PAT, "Basic x"),
    ],
)
def test_both_headers_carry_a_token(private_token: str | None, authorization: str | None) -> None:
    assert presented_pat(private_token, authorization) == GOOD_PAT


@pytest.mark.parametrize(
    ("private_token", "authorization", "reason"),
    [
        (None, None, "credential_missing"),
        (None, f"Basic {GOOD_PAT}", "scheme_unknown"),
        (None, "Bearer", "credential_malformed"),
        ("nonsense", None, "credential_malformed"),
    ],
)
def test_a_request_without_a_token_is_unauthorized(
    private_token: str | None, authorization: str | None, reason: str
) -> None:
    with pytest.raises(UnauthorizedError) as refusal:
        presented_pat(private_token, authorization)
    assert refusal.value.reason == reason
    assert str(refusal.value) == "401 Unauthorized"


def test_a_token_works_until_its_last_day_is_over() -> None:
    pat = a_pat(expires_on=date(2026, 11, 22))
    assert pat.is_active(at=datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
    assert not pat.is_active(at=datetime(2026, 11, 22, tzinfo=UTC))


def test_a_revoked_or_expired_token_is_unauthorized() -> None:
    for pat in (a_pat(is_revoked=True), a_pat(expires_on=NOW.date())):
        with pytest.raises(UnauthorizedError):
            check_credential(Caller(user=a_user(), credential=pat), at=NOW)
    check_credential(a_caller(), at=NOW)


def test_a_blocked_user_is_told_so() -> None:
    with pytest.raises(UserBlockedError):
        check_credential(a_caller(state="blocked"), at=NOW)


def test_use_is_noted_again_after_five_minutes() -> None:
    assert a_pat().use_is_worth_noting(at=NOW)
    used = a_pat(last_used_at=NOW)
    assert not used.use_is_worth_noting(at=NOW + timedelta(minutes=4, seconds=59))
    assert used.use_is_worth_noting(at=NOW + timedelta(minutes=5))


API, READ, AI = Scope.API, Scope.READ_API, Scope.AI_FEATURES


@pytest.mark.parametrize(
    ("scope", "access", "is_read"),
    [
        (AI, Access.PUBLIC, False),
        (AI, Access.GATEWAY, False),
        (AI, Access.SELF, True),
        (READ, Access.SELF, True),
        (API, Access.AI, False),
        (AI, Access.AI, False),
        (READ, Access.AI, True),
        (API, Access.API, False),
        (READ, Access.API, True),
    ],
)
def test_a_scope_opens_what_it_is_for(scope: Scope, access: Access, is_read: bool) -> None:
    check_access(a_caller(scope), access, is_read=is_read)
    check_access(a_caller(scope, is_admin=True), access, is_read=is_read)


@pytest.mark.parametrize(
    ("scope", "access", "is_read"),
    [
        (READ, Access.AI, False),
        (READ, Access.API, False),
        (AI, Access.API, True),
        (AI, Access.API, False),
        (READ, Access.ADMIN, False),
        (AI, Access.ADMIN, True),
    ],
)
def test_a_scope_opens_nothing_else_even_for_an_admin(
    scope: Scope, access: Access, is_read: bool
) -> None:
    with pytest.raises(InsufficientScopeError):
        check_access(a_caller(scope, is_admin=True), access, is_read=is_read)


def test_admin_routes_need_an_admin() -> None:
    check_access(a_caller(API, is_admin=True), Access.ADMIN, is_read=False)
    check_access(a_caller(READ, is_admin=True), Access.ADMIN, is_read=True)
    with pytest.raises(AdminNeededError):
        check_access(a_caller(API), Access.ADMIN, is_read=True)


@pytest.mark.parametrize(
    "profile",
    [
        Profile(username="a"),
        Profile(username="A.b-c_9"),
        Profile(username="x" * 255),
        Profile(name="Ada Lovelace"),
        Profile(email="ada@example.org"),
        Profile(password="x" * 12),
        Profile(),
    ],
)
def test_a_usable_profile_passes(profile: Profile) -> None:
    check_profile(profile)


@pytest.mark.parametrize(
    ("profile", "field"),
    [
        (Profile(username=""), "username"),
        (Profile(username="."), "username"),
        (Profile(username="a/b"), "username"),
        (Profile(username="a."), "username"),
        (Profile(username="x" * 256), "username"),
        (Profile(username="a\x00"), "username"),
        (Profile(name=""), "name"),
        (Profile(name="  "), "name"),
        (Profile(name="a\x00b"), "name"),
        (Profile(name="x" * 256), "name"),
        (Profile(email="nobody"), "email"),
        (Profile(email="a@b\x00"), "email"),
        (Profile(password="short"), "password"),
        (Profile(password="x" * 1025), "password"),
    ],
)
def test_an_unusable_field_is_named(profile: Profile, field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        check_profile(profile)
    assert set(refusal.value.fields) == {field}


def test_every_unusable_field_is_named_at_once() -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        check_profile(Profile(username="", name="", email="", password=""))
    assert set(refusal.value.fields) == {"username", "name", "email", "password"}


def test_a_new_user_needs_a_name_and_an_address() -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        complete(Profile(username="ada"))
    assert set(refusal.value.fields) == {"name", "email"}
    new = complete(Profile(username="ada", name="Ada", email="a@b"))
    assert (new.state, new.is_admin) == ("active", False)


def test_a_profile_does_not_show_its_password() -> None:
    assert "sesame" not in repr(Profile(username="ada", password="open sesame now"))


def test_a_token_lasts_at_most_400_days() -> None:
    today = NOW.date()
    check_pat_request("n", [API], expires_on=today + timedelta(days=400), today=today)
    for days in (0, -1, 401):
        with pytest.raises(InvalidFieldsError) as refusal:
            check_pat_request("n", [API], expires_on=today + timedelta(days=days), today=today)
        assert set(refusal.value.fields) == {"expires_at"}


def test_a_token_needs_a_name_and_a_scope() -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        check_pat_request("", [], expires_on=date(2026, 12, 1), today=NOW.date())
    assert set(refusal.value.fields) == {"name", "scopes"}


def test_only_role_and_state_change_what_a_user_may_do() -> None:
    user = a_user()
    assert grant_changes(user, Profile(is_admin=True))
    assert grant_changes(user, Profile(state="blocked"))
    assert not grant_changes(user, Profile(name="Other", is_admin=False, state="active"))


def test_an_admin_is_lost_by_blocking_or_demoting() -> None:
    admin = a_user(is_admin=True)
    assert is_active_admin(admin)
    assert stops_being_active_admin(admin, Profile(is_admin=False))
    assert stops_being_active_admin(admin, Profile(state="blocked"))
    assert not stops_being_active_admin(admin, Profile(name="Other"))
    assert not stops_being_active_admin(a_user(), Profile(state="blocked"))
    assert not is_active_admin(a_user(is_admin=True, state="blocked"))


def test_a_user_becomes_blocked_only_once() -> None:
    assert becomes_blocked(None, "blocked")
    assert becomes_blocked(a_user(), "blocked")
    assert not becomes_blocked(a_user(state="blocked"), "blocked")
    assert not becomes_blocked(a_user(state="blocked"), "active")


def test_the_log_tells_what_changed_and_of_a_password_that_it_did() -> None:
    before, after = a_user(), a_user(is_admin=True)
    assert change_details(before, after, has_new_password=False) == {"is_admin": True}
    assert change_details(before, before, has_new_password=True) == {"password": "changed"}


def test_a_caller_is_named_in_the_log() -> None:
    assert a_caller().actor == user_actor(7, "ada")
