import msgspec
import pytest

from gateway.contract import feed
from gateway.contract.claims import Claims
from gateway.issuer.feed.revocations import Revocations
from tests.builders import some_claims

CREDENTIAL = feed.RevokedCredential(credential="pat:7", until=100)
GENERATION = feed.MinimumGeneration(subject="user-1", generation=3, until=100)
DEAD = feed.DeadKey(kid="lost", until=100)
ALL = feed.Revocations(
    credentials=(CREDENTIAL,), generations=(GENERATION,), dead_keys=(DEAD,), minimum_era=2
)


def claims() -> Claims:
    return msgspec.convert(some_claims(era=2, gen=3), Claims)


def known(*fed: feed.Revocations) -> Revocations:
    revocations = Revocations()
    for each in fed:
        revocations.apply(each, is_snapshot=False)
    return revocations


def test_nothing_is_superseded_before_anything_was_revoked() -> None:
    revocations = Revocations()
    revocations.apply(None, is_snapshot=True)
    assert not revocations.is_superseded(msgspec.convert(some_claims(), Claims))
    assert revocations.dead_kids == frozenset()


@pytest.mark.parametrize(
    ("changes", "is_superseded"),
    [
        ({}, False),
        ({"gen": 4, "era": 3, "cred": "pat:8"}, False),
        ({"cred": "pat:7"}, True),
        ({"gen": 2}, True),
        ({"gen": 2, "sub": "user-2"}, False),
        ({"era": 1}, True),
        ({"era": 1, "sub": "user-2"}, True),
    ],
)
def test_what_was_revoked_supersedes_its_tokens_only(
    changes: dict[str, object], is_superseded: bool
) -> None:
    asked = msgspec.structs.replace(claims(), **changes)
    assert known(ALL).is_superseded(asked) is is_superseded


def test_nothing_is_lowered_by_what_comes_later() -> None:
    lower = feed.Revocations(
        credentials=(feed.RevokedCredential(credential="pat:7", until=50),),
        generations=(feed.MinimumGeneration(subject="user-1", generation=2, until=500),),
        dead_keys=(feed.DeadKey(kid="lost", until=50),),
        minimum_era=1,
    )
    assert known(ALL, lower).kept() == ALL


def test_what_is_revoked_again_is_remembered_for_longer() -> None:
    longer = feed.Revocations(
        credentials=(feed.RevokedCredential(credential="pat:7", until=200),),
        generations=(feed.MinimumGeneration(subject="user-1", generation=3, until=200),),
        dead_keys=(feed.DeadKey(kid="lost", until=200),),
        minimum_era=2,
    )
    revocations = known(ALL, longer)
    revocations.sweep(150)
    assert revocations.kept() == longer
    assert revocations.dead_kids == {"lost"}


def test_a_snapshot_forgets_no_revocation_but_says_which_era_it_is() -> None:
    revocations = known(ALL)
    revocations.apply(feed.Revocations(minimum_era=1), is_snapshot=True)
    assert revocations.kept() == msgspec.structs.replace(ALL, minimum_era=1)


def test_what_no_token_lives_long_enough_for_is_forgotten() -> None:
    revocations = known(ALL)
    revocations.sweep(100)
    assert revocations.kept() == ALL
    revocations.sweep(101)
    assert revocations.kept() == feed.Revocations(minimum_era=2)
    assert revocations.dead_kids == frozenset()
