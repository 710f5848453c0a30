from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from appliance.access_tokens.usecases import keys
from appliance.accounts import usecases as accounts
from appliance.feature_flags import usecases as feature_flags
from appliance.gateway_feed import rules
from appliance.gateway_feed.rules import folding
from appliance.instance_settings import usecases as instance_settings
from appliance.model_selection.usecases import choices, features, planning
from appliance.namespaces.usecases import groups
from appliance.self_hosted_models.usecases import registration as models
from gateway.contract.claims import LONGEST_LIFE_S
from gateway.contract.feed import DeadKey, MinimumGeneration, RevokedCredential
from tests.instance_builders import NOW

UNTIL = int((NOW + folding.REMEMBERED_FOR).timestamp()) + 1


@dataclass(frozen=True)
class Made:
    """A change as the outbox has it."""

    topic: str
    payload: Mapping[str, Any]
    created_at: datetime = NOW


def _fold(*changes: Made, minimum_era: int = 0) -> Any:
    return rules.fold(changes, name_of=lambda number: f"u{number}", minimum_era=minimum_era)


def _grants(ends_streams: bool = False, **generations: int) -> Made:  # as in the payload
    named = {name.removeprefix("u"): value for name, value in generations.items()}
    payload = {"change": "grants", "generations": named, "ends_streams": ends_streams}
    return Made("user", payload)


def test_the_topics_are_those_of_who_publishes() -> None:
    assert accounts.TOPIC == folding.USER
    assert keys.TOPIC == folding.SIGNING_KEY
    assert models.TOPIC == folding.SELF_HOSTED_MODEL
    assert feature_flags.TOPIC == folding.FEATURE_FLAG
    assert instance_settings.TOPIC == folding.INSTANCE_SETTING
    assert groups.TOPIC == folding.NAMESPACE
    assert choices.TOPIC == folding.GROUP_CHOICE
    assert features.TOPIC == folding.FEATURE_SETTING
    assert planning.TOPIC == folding.OFFERED_MODEL


def test_what_is_revoked_is_remembered_for_longer_than_any_token_lives() -> None:
    assert timedelta(seconds=LONGEST_LIFE_S) < folding.REMEMBERED_FOR


def test_the_highest_generation_of_each_user_counts() -> None:
    found = _fold(_grants(u1=3), _grants(u1=5, u2=1), _grants(u1=4), minimum_era=7)
    assert found.minimum_era == 7
    assert found.generations == (
        MinimumGeneration(subject="u1", generation=5, until=UNTIL),
        MinimumGeneration(subject="u2", generation=1, until=UNTIL),
    )


def test_who_was_to_lose_answers_under_way_still_is() -> None:
    (found,) = _fold(_grants(True, u1=3), _grants(u1=4)).generations
    assert (found.generation, found.ends_streams) == (4, True)


def test_the_last_change_says_until_when() -> None:
    later = Made("user", {"generations": {"1": 2}}, NOW + timedelta(minutes=5))
    (found,) = _fold(_grants(u1=3), later).generations
    assert (found.generation, found.until) == (3, UNTIL + 300)


def test_credentials_and_keys_are_named_once() -> None:
    found = _fold(
        Made("personal_access_token", {"id": 3, "user_id": 1, "change": "revoked"}),
        Made("personal_access_token", {"id": 3, "user_id": 1, "change": "revoked"}),
        Made("signing_key", {"kid": "k", "change": "dead"}),
    )
    assert found.credentials == (RevokedCredential(credential="pat:3", until=UNTIL),)
    assert found.dead_keys == (DeadKey(kid="k", until=UNTIL),)


@pytest.mark.parametrize(
    "change",
    [
        Made("personal_access_token", {"id": 3, "user_id": 1, "change": "created"}),
        Made("signing_key", {"kid": "k", "change": "retired"}),
        Made("user", {"id": 1, "change": "created"}),
        # As an earlier release told of it.
        Made("user", {"ids": [1], "change": "grants"}),
        Made("user", {"id": 1, "change": "changed", "generation": 4}),
        Made("namespace", {"id": 1}),
        Made("self_hosted_model", {"id": 1, "ref": "tiny", "change": "deleted"}),
    ],
)
def test_other_changes_revoke_nothing(change: Made) -> None:
    found = _fold(change)
    assert (found.credentials, found.generations, found.dead_keys) == ((), (), ())
    assert not rules.touched([change]).has_revocations


def test_changes_say_which_parts_are_new() -> None:
    assert rules.touched([]) == rules.Touched(
        refs=frozenset(),
        groups=frozenset(),
        has_features=False,
        has_keys=False,
        has_issuers=False,
        has_flags=False,
        has_revocations=False,
    )
    found = rules.touched(
        [
            Made("self_hosted_model", {"ref": "new", "previous_ref": "old"}),
            Made("self_hosted_model", {"ref": "tiny"}),
            Made("signing_key", {"kid": "k", "change": "dead"}),
            Made("feature_flag", {"flag": "f"}),
            Made("instance_setting", {"name": "instance_public_url"}),
            Made("user", {"change": "era", "era": 2}),
        ]
    )
    assert found == rules.Touched(
        refs=frozenset({"new", "old", "tiny"}),
        groups=frozenset(),
        has_features=True,
        has_keys=True,
        has_issuers=True,
        has_flags=True,
        has_revocations=True,
    )


@pytest.mark.parametrize("topic", ["feature_setting", "offered_model", "self_hosted_model"])
def test_what_changes_the_offer_makes_all_features_new(topic: str) -> None:
    assert rules.touched([Made(topic, {"change": "changed"})]).has_features
    assert not rules.touched([Made("group_choice", {"namespace_id": 4})]).has_features


def test_groups_are_named_by_their_own_changes_and_by_those_of_their_choices() -> None:
    found = rules.touched(
        [
            Made("namespace", {"id": 4, "change": "moved"}),
            Made("group_choice", {"namespace_id": 5, "features": ["duo_chat"]}),
            Made("group_choice", {"namespace_ids": [6, 7], "features": ["duo_chat"]}),
            Made("member", {"namespace_id": 8, "user_id": 1, "change": "added"}),
        ]
    )
    assert found.groups == {4, 5, 6, 7}
