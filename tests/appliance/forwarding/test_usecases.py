from typing import Any
from uuid import uuid4

import jwt
import pytest

from appliance.access_tokens.errors import AccessTokenInvalidError, AccessTokenSupersededError
from appliance.access_tokens.rules import Purpose
from appliance.access_tokens.usecases import (
    Minter,
    ensure_signing_key,
    namespace_of_token,
    presented_token,
)
from appliance.accounts import usecases as accounts
from appliance.accounts.rules import Caller, Profile, Scope
from appliance.accounts.usecases import PatRequest
from appliance.audit.rules import SYSTEM
from appliance.forwarding import usecases
from appliance.forwarding.rules import Incoming, Onward
from appliance.instance_settings.rules import Addresses
from appliance.namespaces.rules import AccessLevel, Membership, Namespace, NewGroup
from appliance.namespaces.usecases import create_group, remove_member, set_member
from appliance.storage.engine import Db, Session
from appliance.storage.identity import Identity
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import load_catalog
from tests.instance_builders import NOW

TOLD = Addresses(
    instance_public_url="http://i", gateway_public_url="http://g", ai_gateway_url="http://inside"
)
IDENTITY = Identity(instance_id="uuid", feed_epoch=1)


@pytest.fixture
def minter(db: Db, sealer: Sealer) -> Minter:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    return Minter(sealer, IDENTITY, told=TOLD, catalog=load_catalog(), version="1")


def _user(session: Session, name: str, *, is_admin: bool = False) -> Caller:
    profile = Profile(username=name, name=name, email=f"{name}@x", is_admin=is_admin)
    user = accounts.create_user(session, profile, password_hash=None, actor=SYSTEM, now=NOW)
    wish = PatRequest(
        name="p", scopes=frozenset({Scope.AI_FEATURES}), secret=accounts.generate_pat()
    )
    pat = accounts.create_pat(session, user.id, wish, actor=SYSTEM, now=NOW)
    return Caller(user=user, credential=pat)


@pytest.fixture
def ada(db: Db) -> Caller:
    return db.write_blocking(lambda session: _user(session, "ada"))


def _token(db: Db, minter: Minter, caller: Caller, group: int | None = None) -> str:
    def mint(session: Session) -> str:
        user = accounts.get_user(session, caller.user.id)
        namespace = namespace_of_token(session, user, group, now=NOW)
        now_caller = Caller(user=user, credential=caller.credential)
        purpose = Purpose(jti=uuid4())
        return minter.mint(session, now_caller, purpose, namespace=namespace, now=NOW).text

    return db.read_blocking(mint)


def _prepare(db: Db, minter: Minter, token: str) -> Onward:
    incoming = Incoming(token=presented_token(f"Bearer {token}"), client_ip="10.0.0.7", jti=uuid4())
    return db.read_blocking(
        lambda session: usecases.prepare(session, incoming, minter=minter, told=TOLD, now=NOW)
    )


def _claims(onward: Onward) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(onward.token, options={"verify_signature": False})
    return claims


def test_a_good_token_goes_on_as_one_for_this_request(db: Db, minter: Minter, ada: Caller) -> None:
    onward = _prepare(db, minter, _token(db, minter, ada))
    assert (onward.gateway_url, onward.silence_s) == ("http://inside", 60)
    claims = _claims(onward)
    assert claims["sub"] == minter.global_user_id(ada.user.id)
    assert (claims["use"], claims["client_ip"]) == ("forwarded", "10.0.0.7")


def test_a_forwarded_token_is_not_forwarded_again(db: Db, minter: Minter, ada: Caller) -> None:
    onward = _prepare(db, minter, _token(db, minter, ada))
    with pytest.raises(AccessTokenInvalidError):
        _prepare(db, minter, onward.token)


def test_tokens_of_who_was_blocked_or_is_gone_are_superseded(
    db: Db, minter: Minter, ada: Caller
) -> None:
    def block(session: Session) -> None:
        profile = Profile(state="blocked")
        number = ada.user.id
        accounts.change_user(session, number, profile, password_hash=None, actor=SYSTEM, now=NOW)

    token = _token(db, minter, ada)
    db.write_blocking(block)
    with pytest.raises(AccessTokenSupersededError):
        _prepare(db, minter, token)
    db.write_blocking(
        lambda session: accounts.delete_user(session, ada.user.id, actor=SYSTEM, now=NOW)
    )
    with pytest.raises(AccessTokenSupersededError):
        _prepare(db, minter, token)


def test_a_raised_era_or_generation_supersedes(db: Db, minter: Minter, ada: Caller) -> None:
    for users in ([ada.user.id], None):
        token = _token(db, minter, ada)
        _prepare(db, minter, token)

        def rise(session: Session, users: list[int] | None = users) -> None:
            accounts.raise_generation(session, users, now=NOW)

        db.write_blocking(rise)
        with pytest.raises(AccessTokenSupersededError):
            _prepare(db, minter, token)


def test_a_group_that_was_left_is_not_asked_for_again(db: Db, minter: Minter, ada: Caller) -> None:
    def join(session: Session) -> tuple[Caller, Namespace]:
        admin = _user(session, "admin", is_admin=True)
        group = create_group(
            session, NewGroup(name="lab", path="lab"), caller_user=admin.user, now=NOW
        )
        member = Membership(
            user_id=ada.user.id, namespace_id=group.id, access_level=AccessLevel.DEVELOPER
        )
        set_member(session, member, caller_user=admin.user, now=NOW)
        return admin, group

    admin, group = db.write_blocking(join)
    token = _token(db, minter, ada, group.id)
    assert _claims(_prepare(db, minter, token))["ns"] == group.id
    db.write_blocking(
        lambda session: remove_member(session, group, ada.user.id, caller_user=admin.user, now=NOW)
    )
    with pytest.raises(AccessTokenSupersededError):
        _prepare(db, minter, token)
