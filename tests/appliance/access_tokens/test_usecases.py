from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest
from sqlalchemy import event

from appliance.access_tokens.errors import NoSigningKeyError
from appliance.access_tokens.rules import AccessToken, Purpose
from appliance.access_tokens.usecases import (
    Minter,
    ensure_signing_key,
    kill_key,
    make_key,
    published_keys,
)
from appliance.accounts import usecases as accounts
from appliance.accounts.rules import Profile
from appliance.audit.rules import SYSTEM
from appliance.instance_settings.rules import Addresses
from appliance.licensing.usecases import note_time
from appliance.storage.engine import Db, Session
from appliance.storage.identity import Identity
from appliance.storage.sealing import SealBrokenError, Sealer
from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from tests.instance_builders import NOW, a_caller

TOLD = Addresses(
    instance_public_url="http://i", gateway_public_url="http://g", ai_gateway_url="http://g"
)
IDENTITY = Identity(instance_id=str(UUID(int=9)), feed_epoch=1)


def _minter(sealer: Sealer) -> Minter:
    return Minter(sealer, IDENTITY, told=TOLD, catalog=load_catalog(), version="1")


def _mint(db: Db, minter: Minter) -> AccessToken:
    return db.read_blocking(
        lambda session: minter.mint(
            session, a_caller(), Purpose(jti=uuid4()), namespace=None, now=NOW
        )
    )


def test_the_first_signing_key_is_made_once(db: Db, sealer: Sealer) -> None:
    assert db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    before = db.read_blocking(published_keys)
    assert not db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    assert db.read_blocking(published_keys) == before
    assert len(before) == 1


def test_without_a_signing_key_nothing_is_minted(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    with pytest.raises(NoSigningKeyError):
        _mint(db, minter)
    with pytest.raises(NoSigningKeyError):
        db.read_blocking(minter.check)


def test_a_key_sealed_by_another_master_key_signs_nothing(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    with pytest.raises(SealBrokenError):
        db.read_blocking(_minter(Sealer(b"x" * 32)).check)
    db.read_blocking(_minter(sealer).check)


def test_the_claims_are_those_of_the_token(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    jti = uuid4()
    minted, claims = db.read_blocking(
        lambda session: (
            minter.mint(session, a_caller(), Purpose(jti=jti), namespace=None, now=NOW),
            minter.claims_of(session, a_caller(), namespace=None, jti=jti, now=NOW),
        )
    )
    payload = jwt.decode(minted.text, options={"verify_signature": False})
    assert msgspec.convert(payload, Claims) == claims


def _users(db: Db, *usernames: str) -> list[int]:
    def make(session: Session) -> list[int]:
        profiles = [
            Profile(username=name, name=name, email=f"{name}@x", is_admin=True)
            for name in usernames
        ]
        return [
            accounts.create_user(session, each, password_hash=None, actor=SYSTEM, now=NOW).id
            for each in profiles
        ]

    return db.write_blocking(make)


def _found(db: Db, minter: Minter, *names: str) -> dict[str, int]:
    return db.write_blocking(lambda session: minter.users_by_global_id(session, names))


def test_a_user_is_found_by_the_name_it_has_outside(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    ada, ben = _users(db, "ada", "ben")
    names = [minter.global_user_id(each) for each in (ada, ben)]
    assert _found(db, minter, names[0], "nobody") == {names[0]: ada}
    assert _found(db, minter, *names) == {names[0]: ada, names[1]: ben}
    (cleo,) = _users(db, "cleo")
    assert _found(db, minter, minter.global_user_id(cleo)) == {minter.global_user_id(cleo): cleo}


def test_who_is_gone_is_not_found(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    ada, _ = _users(db, "ada", "ben")
    name = minter.global_user_id(ada)
    assert _found(db, minter, name) == {name: ada}
    db.write_blocking(lambda session: accounts.delete_user(session, ada, actor=SYSTEM, now=NOW))
    assert _found(db, minter, name) == {}


def test_names_asked_for_at_once_are_noted_once(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    users = _users(db, *(f"user{number}" for number in range(20)))
    names = [minter.global_user_id(each) for each in users]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: _found(db, minter, name), names))
    assert [each[name] for each, name in zip(found, names, strict=True)] == users


def _own(db: Db, minter: Minter, *, minutes: float = 0) -> str:
    now = NOW + timedelta(minutes=minutes)
    return db.read_blocking(
        lambda session: minter.mint_instance_token(session, jti=uuid4(), now=now)
    )


def test_the_instances_own_token_opens_no_model(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    payload = jwt.decode(_own(db, _minter(sealer)), options={"verify_signature": False})
    claims = msgspec.convert(payload, Claims)
    assert (claims.use, claims.sub, claims.cred) == ("instance", IDENTITY.instance_id, None)
    assert (claims.scopes, claims.providers, claims.flags) == (frozenset(),) * 3
    assert claims.exp - claims.iat == 300


def test_the_instances_own_token_is_kept_until_it_nears_its_end(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    minter = _minter(sealer)
    first = _own(db, minter)
    assert _own(db, minter, minutes=3.9) == first
    assert _own(db, minter, minutes=4) != first


def test_the_instances_own_token_is_made_anew_when_it_would_count_no_more(
    db: Db, sealer: Sealer
) -> None:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    minter = _minter(sealer)
    first = _own(db, minter)
    db.write_blocking(lambda session: accounts.raise_generation(session, None, now=NOW))
    second = _own(db, minter)
    assert jwt.decode(second, options={"verify_signature": False})["era"] > 0
    fresh = make_key(sealer)
    db.write_blocking(lambda session: kill_key(session, None, fresh, actor=SYSTEM, now=NOW))
    third = _own(db, minter)
    assert jwt.get_unverified_header(third)["kid"] == fresh.public.kid
    assert len({first, second, third}) == 3


def test_without_a_signing_key_the_instance_has_no_token(db: Db, sealer: Sealer) -> None:
    with pytest.raises(NoSigningKeyError):
        _own(db, _minter(sealer))


def test_minting_asks_few_questions(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    db.write_blocking(lambda session: note_time(session, now=NOW))
    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    _mint(db, minter)
    # The key, the settings, the era, the flags, the clock, purchases, seats, and whether groups
    # own any. Nothing is kept from mint to mint: any change shows in the next token.
    assert sum(each.startswith("SELECT") for each in asked) <= 8
