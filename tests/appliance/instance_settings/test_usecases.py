from datetime import timedelta

import pytest

from appliance.audit.rules import SYSTEM
from appliance.audit.usecases import list_events
from appliance.instance_settings import usecases
from appliance.instance_settings.rules import FORMER_ISSUER_LASTS, Addresses, Name
from appliance.storage.engine import Db
from appliance.storage.outbox import last_sequence
from appliance.storage.paging import Page
from tests.instance_builders import SetClock

TOLD = Addresses(
    instance_public_url="http://i", gateway_public_url="http://g", ai_gateway_url="http://a"
)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def _set(db: Db, clock: SetClock, **changes: str | None) -> None:
    wanted: dict[Name, str | None] = changes  # type: ignore[assignment]  # names of settings
    db.write_blocking(
        lambda session: usecases.change_settings(session, wanted, TOLD, actor=SYSTEM, now=clock.now)
    )


def _issuers(db: Db, clock: SetClock, told: Addresses = TOLD) -> tuple[str, ...]:
    return db.read_blocking(lambda session: usecases.accepted_issuers(session, told, now=clock.now))


def _note(db: Db, clock: SetClock, issuer: str) -> None:
    told = _told(issuer)
    db.write_blocking(lambda session: usecases.note_issuer(session, told, now=clock.now))


def _told(issuer: str) -> Addresses:
    return Addresses(instance_public_url=issuer, gateway_public_url="", ai_gateway_url="")


def test_a_setting_is_set_and_taken_back(db: Db, clock: SetClock) -> None:
    _set(db, clock, ai_gateway_url="http://b")
    found = db.read_blocking(lambda session: usecases.addresses(session, TOLD))
    assert found.ai_gateway_url == "http://b"
    _set(db, clock, ai_gateway_url=None)
    assert db.read_blocking(lambda session: usecases.addresses(session, TOLD)) == TOLD


def test_the_limit_of_users_is_the_real_instances_until_it_is_set(db: Db, clock: SetClock) -> None:
    assert db.read_blocking(usecases.limits_of).requests_per_8h == 160
    _set(db, clock, ai_action_api_rate_limit="0")
    assert db.read_blocking(usecases.limits_of).requests_per_8h == 0


def test_a_change_is_audited_and_told_once(db: Db, clock: SetClock) -> None:
    _set(db, clock, gateway_public_url="http://x")
    told = db.read_blocking(last_sequence)
    _set(db, clock, gateway_public_url="http://x", ai_gateway_url=None)
    assert db.read_blocking(last_sequence) == told
    events = db.read_blocking(
        lambda session: list_events(session, Page.asked(1, 20), action="instance_setting_changed")
    ).items
    assert [each.entry.details for each in events] == [{"before": None, "after": "http://x"}]


def test_tokens_of_a_former_issuer_stay_good_for_their_life(db: Db, clock: SetClock) -> None:
    _note(db, clock, "http://i")
    _set(db, clock, instance_public_url="http://j")
    clock.advance(minutes=1)
    _set(db, clock, instance_public_url="http://k")
    assert _issuers(db, clock) == ("http://k", "http://j", "http://i")
    clock.now += FORMER_ISSUER_LASTS - timedelta(minutes=1)
    assert _issuers(db, clock) == ("http://k", "http://j")
    _set(db, clock, instance_public_url=None)
    assert _issuers(db, clock) == ("http://i", "http://k", "http://j")
    clock.now += FORMER_ISSUER_LASTS
    assert _issuers(db, clock) == ("http://i",)


def test_an_issuer_that_the_environment_changed_is_noted_at_the_start(
    db: Db, clock: SetClock
) -> None:
    _note(db, clock, "http://before")
    assert db.read_blocking(lambda session: usecases.needs_noting(session, TOLD))
    # Also before anybody has noted it.
    assert _issuers(db, clock) == ("http://i", "http://before")
    _note(db, clock, "http://i")
    assert not db.read_blocking(lambda session: usecases.needs_noting(session, TOLD))
    assert _issuers(db, clock) == ("http://i", "http://before")
    clock.now += FORMER_ISSUER_LASTS
    assert _issuers(db, clock) == ("http://i",)
    _note(db, clock, "http://before")
    assert _issuers(db, clock) == ("http://i", "http://before")
    assert _issuers(db, clock, _told("http://before")) == ("http://before", "http://i")
