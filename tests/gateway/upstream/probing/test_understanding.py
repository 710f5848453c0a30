import pytest

from gateway.contract.addresses import parse_endpoint
from gateway.upstream.probing.asking import Answer
from gateway.upstream.probing.failing import quoted
from gateway.upstream.probing.understanding import (
    MAX_COMPARED_CHARS,
    listed_models,
    nearest_name,
    other_bases,
    streamed_events,
    words_of,
)

KNOWN = ["mistralai/Mistral-Small-24B", "Qwen/Qwen2.5-Coder-7B", "llama3:latest"]


def an_answer(body: bytes) -> Answer:
    return Answer(url="http://m/v1", status=200, kind="application/json", body=body, asked_at=0.0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mistral-small-24b", "mistralai/Mistral-Small-24B"),
        ("custom_openai/Mistral-Small-24B", "mistralai/Mistral-Small-24B"),
        ("MISTRALAI/MISTRAL-SMALL-24B", "mistralai/Mistral-Small-24B"),
        ("qwen2.5-coder", "Qwen/Qwen2.5-Coder-7B"),
        ("llama3", "llama3:latest"),
        ("gpt-4o", None),
        ("x" * 10_000, None),
        ("/", None),
    ],
)
def test_the_name_that_was_meant_is_found(written: str, meant: str | None) -> None:
    assert nearest_name(written, KNOWN) == meant


def test_the_only_name_there_is_was_meant() -> None:
    assert nearest_name("gpt-4o", KNOWN[:1]) == KNOWN[0]
    assert nearest_name("gpt-4o", []) is None
    assert nearest_name("gpt-4o", ["x" * (MAX_COMPARED_CHARS + 1)]) is None


@pytest.mark.parametrize(
    ("url", "tried"),
    [
        ("http://m", ["http://m/v1"]),
        ("http://m:8000/v1/v1", ["http://m:8000/v1"]),
        ("http://m/openai", ["http://m/openai/v1", "http://m/v1"]),
        ("http://m/v1/chat/completions", ["http://m/v1"]),
        ("http://m/v1", []),
    ],
)
def test_other_base_urls_are_the_likeliest_first(url: str, tried: list[str]) -> None:
    assert other_bases(parse_endpoint(url)) == tried


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "a"}}', "a"),
        (b'{"error": "b"}', "b"),
        (b'{"object": "error", "message": "c"}', "c"),
        (b'{"detail": "d"}', "d"),
        (b'{"detail": [1]}', ""),
        (b"\xff", ""),
        (b"[" * 5000, ""),
    ],
)
def test_an_error_is_read_in_every_form(body: bytes, words: str) -> None:
    assert words_of(an_answer(body)) == words


@pytest.mark.parametrize("body", [b"[" * 5000, b'{"data": [{"id": 1}]}', b'{"data": "demo"}', b""])
def test_what_is_no_list_of_models_is_none(body: bytes) -> None:
    assert listed_models(an_answer(body)) is None


def test_a_stream_is_counted_by_its_parts_with_words() -> None:
    part = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
    usage = b'data: {"choices": [], "usage": {}}\n\n'
    assert streamed_events(an_answer(part * 2 + usage + b": ping\n\ndata: [DONE]\n\n")) == (2, True)
    assert streamed_events(an_answer(part.replace(b"\n", b"\r\n"))) == (1, False)
    assert streamed_events(an_answer(b"data: " + b"[" * 5000)) == (0, False)


def test_what_is_quoted_is_one_line_without_the_key() -> None:
    assert quoted("a\n\tb\x1b[31m sk-1", api_key="sk-1") == "a b [31m [the API key]"
    assert len(quoted("x" * 1000)) == 300
