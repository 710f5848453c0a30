from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from gateway.contract.egress import EgressRefusedError
from gateway.contract.feed import MAX_REPORTED_MODELS
from gateway.upstream.client import Client
from gateway.upstream.egress import EgressGuard
from gateway.upstream.endpoints import Endpoints
from tests.builders import a_known_model
from tests.fakes.model_endpoint import FakeModelEndpoint


@pytest.fixture
def endpoints(guard: EgressGuard) -> Endpoints:
    return Endpoints(guard, always_allowed=[])


async def test_only_the_hosts_of_the_models_and_the_instance_may_be_resolved(
    guard: EgressGuard,
) -> None:
    endpoints = Endpoints(guard, always_allowed=["instance.test"])
    endpoints.replace((a_known_model("http://gpu-1:8000/v1", "http://gpu-3:8000/v1"),))
    await guard.resolve("gpu-1", 80)
    await guard.resolve("gpu-3", 80)
    endpoints.bring((a_known_model("http://own-1:8000/v1", ref="own"),))
    endpoints.replace((a_known_model("http://gpu-2:8000/v1"),))
    await guard.resolve("gpu-2", 80)
    await guard.resolve("own-1", 80)
    await guard.resolve("Instance.Test", 80)
    with pytest.raises(EgressRefusedError):
        await guard.resolve("gpu-1", 80)


def test_an_upstream_keeps_whom_its_model_is_open_to(endpoints: Endpoints) -> None:
    networks = (ip_network("10.0.0.0/8"),)
    endpoints.replace((a_known_model("http://gpu-1/v1", allowed_networks=networks),))
    assert [each.allowed_networks for each in endpoints.everything()] == [networks]


def test_a_model_without_a_usable_endpoint_is_left_out(endpoints: Endpoints) -> None:
    endpoints.replace((a_known_model(), a_known_model("ftp://x", ref="other")))
    assert endpoints.everything() == []


async def test_what_a_probe_saw_is_kept_until_the_endpoint_changes(
    endpoints: Endpoints, guard: EgressGuard, endpoint: FakeModelEndpoint
) -> None:
    endpoint.api_key = "k"
    model = a_known_model(endpoint.url, api_key="k")
    endpoints.replace((model,))
    client = Client(guard, connect_timeout_s=1)
    await endpoints.probe(client)
    assert [each.state for each in endpoints.report()] == ["ready"]
    endpoints.replace((model,))
    assert endpoints.report()[0].state == "ready"
    endpoints.replace((a_known_model(endpoint.url, api_key="wrong"),))
    await endpoints.probe(client)
    assert endpoints.report()[0].state == "unreachable"
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1"),))
    await endpoints.probe(client)
    assert endpoints.report()[0].state == "unreachable"
    client.close()


async def test_a_probe_learns_how_much_a_model_takes(
    endpoints: Endpoints, guard: EgressGuard, endpoint: FakeModelEndpoint
) -> None:
    endpoint.listed = {"owned_by": "vllm", "max_model_len": 2048}
    endpoints.replace((a_known_model(endpoint.url, api_key=endpoint.api_key),))
    client = Client(guard, connect_timeout_s=1)
    await endpoints.probe(client)
    (upstream,) = endpoints.everything()
    assert (upstream.window_tokens(9), upstream.takes_cache_salt) == (2048, True)
    client.close()


@pytest.mark.parametrize("api_key", ["a\r\nHost: elsewhere", "a\x00", "\u00fc"])
def test_a_model_whose_api_key_fits_no_header_is_left_out(
    endpoints: Endpoints, api_key: str
) -> None:
    endpoints.replace((a_known_model("http://gpu-1/v1", api_key=api_key),))
    assert endpoints.everything() == []


def test_an_api_key_does_not_show(endpoints: Endpoints) -> None:
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1", api_key="canary"),))
    assert "canary" not in repr(endpoints.everything())
    assert "canary" not in repr(a_known_model(api_key="canary"))


def test_a_model_of_the_instance_hides_one_of_the_gateway_of_the_same_ref(
    endpoints: Endpoints,
) -> None:
    own = a_known_model("http://own/v1", ref="Big_Model", provider="duo")
    endpoints.bring((own, a_known_model("http://own/v1", ref="other", provider="duo")))
    with capture_logs() as lines:
        for _ in range(2):
            endpoints.replace((a_known_model("http://gpu/v1", ref="big-model"),))
    assert [each.ref for each in endpoints.everything()] == ["big-model", "other"]
    assert endpoints.find("Big_Model") is None
    said = [line["model"] for line in lines if line["event"] == "own_model_hidden"]
    assert said == ["Big_Model"]
    endpoints.replace(())
    assert endpoints.find("Big_Model") is not None


def test_who_sees_nothing_of_the_instance_sees_the_models_of_the_gateway(
    endpoints: Endpoints,
) -> None:
    endpoints.replace((a_known_model("http://gpu/v1"), a_known_model("http://gpu/v1", ref="fed")))
    endpoints.bring((a_known_model("http://own/v1", provider="duo"),))
    assert [each.provider for each in endpoints.everything(own_only=True)] == ["duo"]
    assert endpoints.find("fed", own_only=True) is None
    found = endpoints.find("demo", own_only=True)
    assert found is not None
    assert found.provider == "duo"


def test_what_is_being_answered_counts_on_when_a_model_is_told_anew(endpoints: Endpoints) -> None:
    model = a_known_model("http://gpu/v1", max_in_flight=1)
    endpoints.replace((model,))
    before = endpoints.find("demo")
    assert before is not None
    before.load.in_flight += 1
    endpoints.replace(())
    endpoints.replace((model,))
    after = endpoints.find("demo")
    assert after is not None
    assert after.load.in_flight == 1
    before.load.in_flight -= 1
    assert after.load.in_flight == 0


def test_a_report_says_no_more_than_an_instance_takes(endpoints: Endpoints) -> None:
    endpoints.replace((a_known_model("http://gpu/v1"),))
    endpoints.bring(
        a_known_model("http://own/v1", ref=f"own-{n}") for n in range(MAX_REPORTED_MODELS)
    )
    reported = endpoints.report()
    assert (len(reported), reported[0].ref) == (MAX_REPORTED_MODELS, "demo")
