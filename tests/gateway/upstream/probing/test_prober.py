import asyncio

import pytest

from gateway.contract.probing import STEPS, ModelCheck
from gateway.upstream.egress import EgressGuard
from gateway.upstream.probing import prober
from tests.fakes.faulty_endpoint import FaultyEndpoint, hanging
from tests.gateway.upstream.probing.conftest import API_KEY, Check


async def test_a_good_endpoint_passes_every_step(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.api_key = API_KEY
    findings = await check(faulty.url + "/", api_key=API_KEY)
    assert [(each.name, each.code) for each in findings] == [(name, "ok") for name in STEPS]
    assert [each.message for each in findings] == [
        f"{faulty.url} is reached.",
        "The server has the model 'demo'.",
        "The model says a token.",
        "The model streams.",
    ]
    assert [question["max_tokens"] for question in faulty.questions] == [1, 12]


async def test_the_step_that_fails_is_the_last(check: Check, faulty: FaultyEndpoint) -> None:
    findings = await check(faulty.url, "other")
    assert [(each.name, each.success) for each in findings] == [
        ("address", True),
        ("models", False),
    ]
    assert not faulty.questions


async def test_a_check_leaves_the_guard_as_it_was(
    check: Check, guard: EgressGuard, faulty: FaultyEndpoint
) -> None:
    guard.configure(["model.test"])
    url = faulty.url.replace("127.0.0.1", "localhost")
    assert (await check(url))[-1].success
    with pytest.raises(OSError, match="localhost is not a configured host"):
        guard._policy.check_host("localhost")
    guard._policy.check_host("model.test")


async def test_a_check_as_a_whole_ends_in_time(
    check: Check, faulty: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prober, "WHOLE_CHECK_S", 0.1)
    faulty.instead["/v1/models"] = hanging
    last = (await check(faulty.url))[-1]
    assert (last.name, last.code) == ("models", "timeout")


async def test_many_checks_at_once_wait_for_their_turn(
    check: Check, faulty: FaultyEndpoint
) -> None:
    many = await asyncio.gather(*(check(faulty.url) for _ in range(2 * prober.MAX_AT_ONCE)))
    assert all(findings[-1].success for findings in many)


def test_a_check_is_shown_without_its_key() -> None:
    wish = ModelCheck(endpoint="http://a/v1", identifier="m", api_key=API_KEY)
    assert "canary" not in f"{wish!r} {wish} {wish.__rich_repr__()}"
