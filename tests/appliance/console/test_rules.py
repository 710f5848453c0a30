from datetime import datetime, timedelta

import pytest

from appliance.console import rules
from appliance.console.rules import LicenceState, Overview
from appliance.gateway_feed.rules import Gateway
from appliance.self_hosted_models.rules import SelfHostedModel
from gateway.contract.feed import ModelState, ReportedModel
from tests.instance_builders import NOW, GatewayKeys, a_model

LATER = NOW + timedelta(seconds=11)


def _gateway(state: ModelState | None = None, name: str = "local") -> Gateway:
    reported = () if state is None else (ReportedModel(ref="tiny", state=state),)
    return GatewayKeys().gateway(name=name, last_seen_at=NOW, reported_models=reported)


def overview(
    gateways: list[Gateway],
    models: list[SelfHostedModel],
    *,
    licence: LicenceState = "owned",
    at: datetime,
) -> Overview:
    return rules.overview(gateways, models, licence=licence, at=at)


def test_a_model_is_what_a_present_gateway_reports() -> None:
    cases: list[tuple[ModelState | None, str]] = [
        ("ready", "ready"),
        ("unreachable", "away"),
        (None, "unknown"),
    ]
    for reported, state in cases:
        shown = overview([_gateway(reported)], [a_model()], at=NOW)
        assert shown.models[0].state == state
        assert shown.gateways[0].state == "ready"
        assert shown.answers_questions is (state == "ready")


def test_what_an_absent_gateway_reported_counts_for_nothing() -> None:
    shown = overview([_gateway("ready")], [a_model()], at=LATER)
    assert shown.gateways[0].state == "away"
    assert shown.models[0].state == "unknown"
    assert not shown.answers_questions


def test_one_gateway_that_reaches_a_model_is_enough() -> None:
    gateways = [_gateway("unreachable", "a"), _gateway("ready", "b")]
    assert overview(gateways, [a_model()], at=NOW).models[0].state == "ready"


def test_the_example_asks_a_model_that_answers() -> None:
    models = [a_model(ref="first"), a_model(ref="tiny")]
    assert overview([_gateway("ready")], models, at=NOW).example_ref == "tiny"
    assert overview([], models, at=NOW).example_ref == "first"
    assert overview([], [], at=NOW).example_ref == "MODEL"


def test_without_a_licence_nobody_is_answered() -> None:
    shown = overview([_gateway("ready")], [a_model()], licence="none", at=NOW)
    assert not shown.answers_questions
    assert overview([_gateway("ready")], [a_model()], licence="demo", at=NOW).answers_questions


@pytest.mark.parametrize(
    ("active", "state"), [([], "none"), ([True, True], "demo"), ([False], "owned")]
)
def test_active_purchases_say_whether_it_is_a_demonstration(
    active: list[bool], state: LicenceState
) -> None:
    assert rules.licence_state(active) == state
