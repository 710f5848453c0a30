import pytest
from aiohttp import web

from gateway.contract.probing import Finding
from gateway.upstream.probing import talking
from tests.fakes.faulty_endpoint import FaultyEndpoint, Handler, answering, cutting, hanging
from tests.gateway.upstream.probing.conftest import API_KEY, Check

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"


async def fault(check: Check, faulty: FaultyEndpoint, step: str, **more: object) -> Finding:
    found = (await check(faulty.url, **more))[-1]
    assert (found.name, found.success) == (step, False), found
    return found


def streaming(other: Handler, faulty: FaultyEndpoint) -> Handler:
    """Does something else when a stream is asked for."""

    async def handler(request: web.Request) -> web.StreamResponse:
        question = await request.json()
        return await (other if question["stream"] else faulty._complete)(request)

    return handler


async def test_a_model_without_chat_is_asked_to_complete(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead[CHAT] = answering(400, {"error": {"message": "no chat template"}})
    findings = await check(faulty.url)
    assert all(each.success for each in findings)
    assert "completes text only" in findings[2].message
    assert [question["prompt"] for question in faulty.questions] == [talking.TEXT] * 2


async def test_a_model_that_does_neither_says_why_it_does_not_chat(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead[CHAT] = answering(400, {"error": {"message": "no chat template"}})
    faulty.instead[COMPLETIONS] = answering(404, {"detail": "Not Found"})
    found = await fault(check, faulty, "answer")
    assert found.code == "question_refused"
    assert "(400): no chat template." in found.message


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, {"hello": "world"}, "not_openai"),
        (200, {"choices": []}, "not_openai"),
        (200, "<html>", "answers_html"),
        (401, {}, "api_key_refused"),
        (429, {}, "busy"),
        (503, {}, "unavailable"),
        (500, {"error": "CUDA error"}, "question_refused"),
    ],
)
async def test_an_answer_that_is_none_is_told_as_what_it_is(
    check: Check, faulty: FaultyEndpoint, status: int, body: object, code: str
) -> None:
    faulty.instead[CHAT] = answering(status, body)
    assert (await fault(check, faulty, "answer", api_key=API_KEY)).code == code


async def test_a_redirect_of_a_question_is_not_followed(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead[CHAT] = answering(308, Location="/v2/chat/completions")
    found = await fault(check, faulty, "answer")
    assert (found.code, found.proposes) == ("redirected", {})


async def test_a_model_that_says_nothing_in_time_may_be_loading(
    check: Check, faulty: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "FIRST_TOKEN_S", 0.1)
    faulty.instead[CHAT] = hanging
    found = await fault(check, faulty, "answer")
    assert (found.code, "still being loaded" in str(found.fix)) == ("model_slow", True)


async def test_a_server_that_breaks_off_is_told_as_that(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead[CHAT] = cutting
    assert (await fault(check, faulty, "answer")).code == "broke_off"


async def test_a_server_that_ignores_the_wish_for_a_stream_does_not_stream(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.streams = False
    found = await fault(check, faulty, "stream")
    assert found.code == "no_streaming"
    assert found.message.startswith("The server does not stream")
    assert "it sends a whole answer" in found.message
    assert "proxy_buffering off" in str(found.fix)


async def test_a_proxy_that_holds_a_stream_back_does_not_stream(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.is_buffered, faulty.pace_s = True, talking.BUFFERED_AFTER_S / 4
    found = await fault(check, faulty, "stream")
    assert (found.code, "all parts of an answer came at once" in found.message) == (
        "stream_buffered",
        True,
    )
    # Once may be chance.
    assert [question["stream"] for question in faulty.questions] == [False, True, True]


async def test_a_slow_model_that_streams_is_not_taken_for_a_proxy(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.pace_s = talking.BUFFERED_AFTER_S / 4
    assert (await check(faulty.url))[-1].success


async def test_a_model_that_is_too_slow_for_a_whole_stream_streams_all_the_same(
    check: Check, faulty: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "STREAM_S", 0.7)
    faulty.pace_s = 0.2
    assert (await check(faulty.url))[-1].success


async def test_a_quick_model_is_not_taken_for_a_proxy(check: Check, faulty: FaultyEndpoint) -> None:
    faulty.is_buffered = True
    assert (await check(faulty.url))[-1].success


async def test_a_stream_without_its_end_is_cut_short_by_somebody(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.ends_streams = False
    found = await fault(check, faulty, "stream")
    assert (found.code, "[DONE]" in found.message) == ("stream_unfinished", True)


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (400, {"error": "no streams here"}, "no_streaming", "it answers 400: no streams here"),
        (404, None, "no_streaming", "it answers 404."),
        (200, "data: {}\n\ndata: x\n\n", "no_streaming", "it sends something else"),
        (503, None, "unavailable", "(503)"),
    ],
)
async def test_a_stream_that_is_refused_is_told_with_the_servers_words(
    check: Check, faulty: FaultyEndpoint, status: int, body: object, code: str, said: str
) -> None:
    faulty.instead[CHAT] = streaming(answering(status, body), faulty)
    found = await fault(check, faulty, "stream")
    assert (found.code, said in found.message) == (code, True), found


async def test_a_stream_that_does_not_come_in_time_is_none(
    check: Check, faulty: FaultyEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "STREAM_S", 0.2)
    faulty.instead[CHAT] = streaming(hanging, faulty)
    found = await fault(check, faulty, "stream")
    assert (found.code, "nothing came within 0.2 s" in found.message) == ("no_streaming", True)


async def test_a_stream_that_breaks_off_is_told_as_that(
    check: Check, faulty: FaultyEndpoint
) -> None:
    faulty.instead[CHAT] = streaming(cutting, faulty)
    assert (await fault(check, faulty, "stream")).code == "broke_off"
