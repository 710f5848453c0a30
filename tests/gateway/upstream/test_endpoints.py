import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.issuer.feed import KnownModel
from gateway.upstream.egress import EgressGuard, EgressRefusedError, open_session
from gateway.upstream.endpoints import Endpoints
from tests.fakes.model_endpoint import FakeModelEndpoint


def a_known_model(*endpoints: str, **changes: object) -> KnownModel:
    fields: dict[str, object] = {
        "ref": "demo",
        "provider": "shm",
        "identifier": "demo",
        "endpoints": endpoints,
        "api_key": None,
        "is_understood": True,
        **changes,
    }
    return KnownModel(**fields)  # type: ignore[arg-type]  # built from what a test states


@pytest.fixture
def guard() -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda: None)


def test_only_the_hosts_of_the_feed_and_the_instance_may_be_resolved(guard: EgressGuard) -> None:
    endpoints = Endpoints(guard, always_allowed=["instance.test"])
    endpoints.replace((a_known_model("http://gpu-1:8000/v1"),))
    guard.check_host("gpu-1")
    endpoints.replace((a_known_model("http://gpu-2:8000/v1"),))
    guard.check_host("gpu-2")
    guard.check_host("Instance.Test")
    with pytest.raises(EgressRefusedError):
        guard.check_host("gpu-1")


def test_a_model_without_a_usable_endpoint_is_left_out(guard: EgressGuard) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model(), a_known_model("ftp://x", ref="other")))
    assert endpoints.everything() == []


async def test_what_a_probe_saw_is_kept_until_the_endpoint_changes(
    guard: EgressGuard, endpoint: FakeModelEndpoint
) -> None:
    endpoint.api_key = "k"
    endpoints = Endpoints(guard, always_allowed=[])
    model = a_known_model(endpoint.url, api_key="k")
    endpoints.replace((model,))
    async with open_session(guard, connect_timeout_s=1) as session:
        await endpoints.probe(session)
        assert [each.state for each in endpoints.report()] == ["ready"]
        endpoints.replace((model,))
        assert endpoints.report()[0].state == "ready"
        endpoints.replace((a_known_model(endpoint.url, api_key="wrong"),))
        await endpoints.probe(session)
        assert endpoints.report()[0].state == "unreachable"
        endpoints.replace((a_known_model("http://127.0.0.1:1/v1"),))
        await endpoints.probe(session)
        assert endpoints.report()[0].state == "unreachable"


def test_an_api_key_does_not_show(guard: EgressGuard) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1", api_key="canary"),))
    assert "canary" not in repr(endpoints.everything())
    assert "canary" not in repr(a_known_model(api_key="canary"))
