import pytest

from appliance.errors import InvalidFieldsError
from appliance.forwarding import rules
from appliance.forwarding.rules import Onward, OwnWay, not_reached, refused_by_gateway

ONWARD = Onward(gateway_url="http://g", token="canary", silence_s=60)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"messages": []}', "/v1/chat/completions"),
        (b'{"prompt": "x"}', "/v1/completions"),
        # Both: what a chat has besides is the gateway's to judge.
        (b'{"prompt": "x", "messages": 7}', "/v1/chat/completions"),
    ],
)
def test_the_question_says_where_it_goes(body: bytes, path: str) -> None:
    assert rules.path_of(body) == path


@pytest.mark.parametrize("body", [b"", b"7", b"[]", b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_question_goes_nowhere(body: bytes) -> None:
    with pytest.raises(InvalidFieldsError):
        rules.path_of(body)


def test_the_gateway_hears_who_asks_and_for_what() -> None:
    sent = rules.onward_headers(ONWARD, unit_primitive=None, request_id="r")
    assert sent == {
        "authorization": "Bearer canary",
        "content-type": "application/json",
        "x-request-id": "r",
    }
    sent = rules.onward_headers(ONWARD, unit_primitive="duo_chat", request_id="r")
    assert sent["X-Gitlab-Unit-Primitive"] == "duo_chat"


def test_a_token_does_not_show() -> None:
    assert "canary" not in repr(ONWARD)


def test_only_what_is_the_clients_business_is_handed_back() -> None:
    answered = {"Content-Type": "a/b", "Server": "x", "Retry-After": "5", "Set-Cookie": "c"}
    assert rules.handed_back(answered) == [(b"content-type", b"a/b"), (b"retry-after", b"5")]


def test_lines_of_a_header_are_joined_in_their_order() -> None:
    lines = [(b"x-forwarded-for", b"a"), (b"host", b"h"), (b"x-forwarded-for", b"b, c")]
    assert rules.joined(b"x-forwarded-for", lines) == "a, b, c"
    assert not rules.joined(b"x-forwarded-for", [])


URL = "http://gateway.test"


def test_how_the_gateway_is_called_is_shown_without_the_token() -> None:
    assert "canary" not in repr(OwnWay(gateway_url=URL, token="canary"))


def test_a_gateway_that_is_not_reached_is_a_finding_with_a_fix() -> None:
    found = not_reached(URL, "no answer in time")
    assert (found.name, found.success, found.code) == ("gateway", False, "gateway_unreachable")
    assert "http://gateway.test cannot be reached (no answer in time)" in found.message
    assert "ai_gateway_url" in str(found.fix)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            b'{"detail": "Not now.", "code": "configuration_unavailable"}',
            "configuration_unavailable",
        ),
        (b'{"detail": "Nothing here.", "code": "not_found"}', "not_a_gateway"),
        (b'{"detail": "x"}', "not_a_gateway"),
        (b"\xff", "not_a_gateway"),
    ],
)
def test_what_a_gateway_says_is_told_and_what_is_none_is_named(body: bytes, code: str) -> None:
    found = refused_by_gateway(URL, body)
    assert (found.name, found.success, found.code) == ("gateway", False, code)
    assert URL in found.message
