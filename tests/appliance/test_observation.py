import pytest
import structlog

from tests.appliance.conftest import Server


async def test_a_request_gets_an_id_and_safe_headers(server: Server) -> None:
    for path in ("/", "/nowhere", "/-/health"):
        answer = await server.ask("GET", path, pat="")
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_an_id_given_by_the_caller_is_kept(server: Server) -> None:
    headers = {"X-Request-Id": "trace-0123456789"}
    answer = await server.ask("GET", "/-/health", headers=headers)
    assert answer.headers["x-request-id"] == "trace-0123456789"


@pytest.mark.parametrize("given", ["short", "with space and more", "x" * 65, "é" * 10])
async def test_an_id_that_could_spoil_a_log_is_replaced(server: Server, given: str) -> None:
    headers = {"X-Request-Id": given.encode("latin-1")}
    answer = await server.ask("GET", "/-/health", headers=headers)
    assert answer.headers["x-request-id"] != given


async def test_a_request_is_logged_by_its_route_and_without_its_query(server: Server) -> None:
    with structlog.testing.capture_logs() as lines:
        await server.ask("GET", "/api/v4/users/1?secret=canary")
    answered = [line for line in lines if line["event"] == "request_answered"]
    assert [(line["route"], line["status"]) for line in answered] == [
        ("/api/v4/users/{user_id}", 200)
    ]
    assert "canary" not in str(lines)


async def test_what_programs_ask_every_second_is_not_worth_a_line(server: Server) -> None:
    with structlog.testing.capture_logs() as lines:
        await server.ask("GET", "/-/health")
    answered = [line for line in lines if line["event"] == "request_answered"]
    assert [line["log_level"] for line in answered] == ["debug"]
