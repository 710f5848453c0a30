from pathlib import Path

import httpx

from gateway.edge.metrics import Metrics
from gateway.settings import Settings
from tests.builders import a_token
from tests.fakes.instance import FakeInstance
from tests.gateway.conftest import RunningGateway, a_gateway


async def test_a_gateway_that_is_not_registered_says_so_and_opens_nothing(tmp_path: Path) -> None:
    async with a_gateway(Settings(home=tmp_path), until_ready=False) as gateway:
        ready = await gateway.http.get("/monitoring/ready")
        assert ready.status_code == 503
        assert ready.json()["checks"] == {
            "registered": False,
            "identity": False,
            "configuration": False,
        }
        answer = await gateway.chat()
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "configuration_unavailable"


async def test_a_gateway_lives_before_it_is_ready(
    settings: Settings, instance: FakeInstance
) -> None:
    await instance.stop()
    async with a_gateway(settings, until_ready=False) as gateway:
        assert (await gateway.http.get("/monitoring/healthz")).json() == {"status": "ok"}
        answer = await gateway.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "identity_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_ready_gateway_says_so(gateway: RunningGateway) -> None:
    ready = await gateway.http.get("/monitoring/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert (await gateway.http.get("/health")).status_code == 200


async def test_other_paths_are_refused_in_gitlabs_form(gateway: RunningGateway) -> None:
    unknown = await gateway.http.get("/nothing")
    wrong = await gateway.http.post("/monitoring/healthz")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert isinstance(unknown.json()["detail"], str)


async def test_every_answer_carries_the_request_id_it_came_with(gateway: RunningGateway) -> None:
    headers = {"Authorization": f"Bearer {a_token()}", "X-Request-ID": "abc-1"}
    answer = await gateway.http.get("/v1/models", headers=headers)
    assert answer.headers["x-request-id"] == "abc-1"
    forged = await gateway.http.get("/v1/models", headers={**headers, "X-Request-ID": "a b"})
    assert forged.headers["x-request-id"] != "a b"


def test_metrics_are_scraped_on_a_port_of_their_own(free_port: int) -> None:
    stop = Metrics().serve(free_port)
    try:
        text = httpx.get(f"http://127.0.0.1:{free_port}/metrics", trust_env=False).text
        assert "casemate_gateway_requests_in_flight 0.0" in text
    finally:
        stop()
