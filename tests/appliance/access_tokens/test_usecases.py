from uuid import UUID, uuid4

import pytest

from appliance.access_tokens.errors import NoSigningKeyError
from appliance.access_tokens.usecases import Minter, ensure_signing_key, published_keys
from appliance.storage.engine import Db
from appliance.storage.identity import Identity
from appliance.storage.sealing import SealBrokenError, Sealer
from gateway.contract.catalog import load_catalog
from tests.instance_builders import NOW, a_caller

IDENTITY = Identity(instance_id=str(UUID(int=9)), feed_epoch=1)


def _minter(sealer: Sealer) -> Minter:
    return Minter(sealer, IDENTITY, issuer="http://i", catalog=load_catalog(), version="1")


def test_the_first_signing_key_is_made_once(db: Db, sealer: Sealer) -> None:
    assert db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    before = db.read_blocking(published_keys)
    assert not db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    assert db.read_blocking(published_keys) == before
    assert len(before) == 1


def test_without_a_signing_key_nothing_is_minted(db: Db, sealer: Sealer) -> None:
    minter = _minter(sealer)
    with pytest.raises(NoSigningKeyError):
        db.read_blocking(lambda session: minter.mint(session, a_caller(), jti=uuid4(), now=NOW))
    with pytest.raises(NoSigningKeyError):
        db.read_blocking(minter.check)


def test_a_key_sealed_by_another_master_key_signs_nothing(db: Db, sealer: Sealer) -> None:
    db.write_blocking(lambda session: ensure_signing_key(session, sealer, now=NOW))
    with pytest.raises(SealBrokenError):
        db.read_blocking(_minter(Sealer(b"x" * 32)).check)
    db.read_blocking(_minter(sealer).check)
