import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.usage import MAX_HELD_BYTES, Usage, UsageTap, usage_of

WORDS = [{"choices": [{"delta": {"content": f'w{n} "usage": {{}} '}}]} for n in range(4)]
LAST = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 4}}
CONTINUOUS = {"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": 5}}


def stream(*frames: object, separator: str = "\n\n") -> bytes:
    events = [f"data: {json.dumps(frame)}" for frame in frames] + ["data: [DONE]"]
    return "".join(event + separator for event in events).encode()


def run(tap: UsageTap, data: bytes, cuts: list[int]) -> bytes:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places)]
    return b"".join(tap.pass_on(part) for part in parts) + tap.finish()


@given(cuts=st.lists(st.integers(0, 500), max_size=12), crlf=st.booleans())
def test_stripping_takes_out_exactly_the_usage_event_however_it_is_cut(
    cuts: list[int], crlf: bool
) -> None:
    separator = "\r\n\r\n" if crlf else "\n\n"
    tap = UsageTap(strip=True)
    passed = run(tap, stream(*WORDS, LAST, separator=separator), cuts)
    assert passed == stream(*WORDS, separator=separator)
    assert tap.usage == Usage(5, 4)


@given(cuts=st.lists(st.integers(0, 500), max_size=12))
def test_without_stripping_every_byte_passes(cuts: list[int]) -> None:
    data = stream(*WORDS, LAST)
    tap = UsageTap(strip=False)
    assert run(tap, data, cuts) == data
    assert tap.usage == Usage(5, 4)


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_bytes_that_are_no_events_pass_unchanged(data: bytes, cuts: list[int]) -> None:
    assert run(UsageTap(strip=True), data, cuts) == data


def test_usage_inside_a_chunk_with_text_is_kept_in_place() -> None:
    tap = UsageTap(strip=True)
    data = stream(CONTINUOUS)
    assert run(tap, data, []) == data
    assert tap.usage == Usage(5, 0)


def test_an_endless_event_is_passed_on_in_pieces() -> None:
    tap = UsageTap(strip=True)
    part = b"x" * (MAX_HELD_BYTES // 2 + 1)
    assert tap.pass_on(part) == b""
    assert len(tap.pass_on(part)) == 2 * len(part)


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (b'{"usage": {"prompt_tokens": 1, "completion_tokens": 2}}', Usage(1, 2)),
        (b'{"choices": []}', None),
        (b'{"usage": null}', None),
        (b'{"usage": "broken"}', None),
    ],
)
def test_the_usage_of_a_whole_answer(body: bytes, usage: Usage | None) -> None:
    assert usage_of(body) == usage
