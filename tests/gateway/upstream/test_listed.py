import json

import pytest

from gateway.upstream.listed import MAX_LIST_BYTES, ListedModel, read_list


def entry(**members: object) -> ListedModel:
    body = json.dumps({"object": "list", "data": [{"id": "m", **members}]}).encode()
    return read_list(body)["m"]


def test_vllm_says_how_much_a_model_takes_and_keeps_tenants_apart() -> None:
    found = entry(owned_by="vllm", max_model_len=2048)
    assert (found.window_tokens, found.takes_cache_salt) == (2048, True)


def test_ray_says_it_in_other_words() -> None:
    found = entry(owned_by="somebody", metadata={"max_request_context_length": 4096})
    assert (found.window_tokens, found.takes_cache_salt) == (4096, True)
    unsaid = entry(metadata={"max_request_context_length": None})
    assert (unsaid.window_tokens, unsaid.takes_cache_salt) == (None, True)


@pytest.mark.parametrize(
    "members",
    [{}, {"owned_by": "openai"}, {"max_model_len": 0}, {"max_model_len": -1}, {"metadata": {}}],
)
def test_an_engine_that_says_nothing_is_not_taken_for_another(members: dict[str, object]) -> None:
    found = entry(**members)
    assert (found.window_tokens, found.takes_cache_salt) == (None, False)


def test_an_odd_entry_spoils_no_other() -> None:
    odd = [{"id": 5}, {"id": "a", "max_model_len": "many"}, 7, {"id": "good", "max_model_len": 9}]
    assert list(read_list(json.dumps({"data": odd}).encode())) == ["good"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"data": 5}', b"\xff", b'{"data":' + b"[" * 50_000]
)
def test_what_is_no_list_says_nothing(body: bytes) -> None:
    assert read_list(body) == {}


def test_a_very_long_list_is_not_read() -> None:
    body = json.dumps({"data": [{"id": "m"}]}).encode()
    assert read_list(body + b" " * MAX_LIST_BYTES) == {}
