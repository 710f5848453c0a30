import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.bench.driver import Target, closed_loop, connect, fixed_rate, streams, unchunked
from tests.bench.figures import lost_and_wrong
from tests.bench.loads import stream_figures
from tests.bench.mock_endpoint import ANSWER, MockEndpoint
from tests.bench.ways import expected_texts


@pytest.fixture
def served() -> dict[str, int]:
    return {"answers": 0, "streams": 0}


@pytest.fixture
async def target(served: dict[str, int], free_port: int) -> AsyncIterator[Target]:
    """A mock endpoint in this process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MockEndpoint(served), "127.0.0.1", free_port)
    yield Target(port=free_port, bearer="unused")
    server.close()


async def test_a_connection_is_asked_again_and_again(
    target: Target, served: dict[str, int]
) -> None:
    connection = await connect(target)
    answers = [await connection.ask(target.request()) for _ in range(3)]
    connection.close()
    assert all(ANSWER.encode() in each for each in answers)
    assert served["answers"] == 3


async def test_the_closed_loop_counts_every_answer(target: Target, served: dict[str, int]) -> None:
    run = await closed_loop(target, connections=4, seconds=0.05)
    assert len(run.latencies_s) == served["answers"] > 0


async def test_the_fixed_rate_sends_what_it_says(target: Target, served: dict[str, int]) -> None:
    run = await fixed_rate(target, per_s=200, seconds=0.1)
    assert len(run.latencies_s) == len(run.late_s) == served["answers"] == 20


async def test_streams_bring_every_numbered_chunk(target: Target, served: dict[str, int]) -> None:
    seen: list[int] = []
    run = await streams(target, count=3, chunks=30, pace_ms=2, while_all_run=seen.append)
    assert served["streams"] == 3
    assert len(seen) == 2
    assert [lost_and_wrong(each.contents(), expected_texts(30)) for each in run] == [(0, False)] * 3
    figures = stream_figures(run, chunks=30)
    assert (figures["lost"], figures["wrong_streams"], figures["unfinished"]) == (0, 0, 0)


async def test_a_stream_that_lacks_its_end_is_unfinished_and_its_rest_lost(target: Target) -> None:
    [streamed] = await streams(target, count=1, chunks=4, pace_ms=1)
    whole = b"".join(streamed.parts)
    streamed.parts, streamed.took_s = [whole[: whole.find(b" w2")]], 0.0
    figures = stream_figures([streamed], chunks=4)
    assert (figures["lost"], figures["wrong_streams"], figures["unfinished"]) == (2, 1, 1)


def test_a_body_cut_into_pieces_is_put_together_again() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n3\r\nda\n\r\n4;x=1\r\nta:\n\r\n0\r\n\r\n"
    assert unchunked(answer) == b"da\nta:\n"
