import pytest
from structlog.testing import capture_logs

from gateway.upstream.listed import ListedModel
from gateway.upstream.models import Load, Upstream, open_upstream
from tests.builders import a_known_model

URLS = ("http://gpu-1/v1", "http://gpu-2/v1", "http://gpu-3/v1")


def opened(*urls: str, before: Upstream | None = None, **changes: object) -> Upstream:
    upstream = open_upstream(a_known_model(*urls, **changes), load=Load(), before=before)
    assert upstream is not None
    return upstream


def test_a_question_names_the_host_and_the_path_and_carries_the_api_key() -> None:
    (replica,) = opened("http://gpu-1:8000/v1", api_key="k").replicas
    assert replica.question("/chat/completions", b"{}") == (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: gpu-1:8000\r\nAuthorization: Bearer k\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://[::1]:8000/v1", b"Host: [::1]:8000\r\n"),
        ("http://gpu-1/v1", b"Host: gpu-1\r\n"),
        ("https://gpu-1:443/v1", b"Host: gpu-1\r\n"),
    ],
)
def test_the_host_header_follows_the_endpoint(endpoint: str, host: bytes) -> None:
    (replica,) = opened(endpoint).replicas
    assert host in replica.probe()


def test_each_endpoint_gets_its_turn() -> None:
    upstream = opened(*URLS)
    for replica in upstream.replicas:
        replica.state = "ready"
    asked = [upstream.next_replica().base_url for _ in range(6)]
    assert sorted(asked[:3]) == sorted(asked[3:]) == sorted(URLS)


def test_the_endpoint_with_the_least_to_do_is_next() -> None:
    upstream = opened(*URLS)
    for replica, in_flight in zip(upstream.replicas, (2, 1, 3), strict=True):
        replica.state, replica.in_flight = "ready", in_flight
    assert {upstream.next_replica().base_url for _ in range(4)} == {URLS[1]}


def test_an_endpoint_that_is_away_is_asked_only_when_all_are() -> None:
    upstream = opened(*URLS)
    upstream.replicas[2].state = "ready"
    upstream.replicas[2].in_flight = 9
    assert upstream.next_replica() is upstream.replicas[2]
    upstream.replicas[2].state = "unreachable"
    assert upstream.next_replica() is not upstream.replicas[2]


def test_another_endpoint_is_one_that_is_ready() -> None:
    upstream = opened(*URLS)
    first, second, _ = upstream.replicas
    first.state = "ready"
    assert upstream.other_replica(first) is None
    second.state = "ready"
    assert upstream.other_replica(first) is second


def test_a_model_is_ready_if_any_endpoint_is() -> None:
    assert opened(*URLS).state == "unreachable"
    upstream = opened(*URLS)
    upstream.replicas[1].note("ready")
    assert upstream.state == "ready"


def test_only_a_change_of_state_is_logged() -> None:
    (replica,) = opened(URLS[0]).replicas
    with capture_logs() as lines:
        replica.note("ready")
        replica.note("ready")
    assert [line["endpoint"] for line in lines] == ["gpu-1"]


def test_an_endpoint_that_is_named_twice_is_one() -> None:
    assert len(opened(URLS[0], URLS[0] + "/").replicas) == 1


def test_an_endpoint_that_cannot_be_used_leaves_the_others() -> None:
    assert [each.base_url for each in opened("ftp://x", URLS[0]).replicas] == [URLS[0]]


def test_an_endpoint_that_stays_keeps_what_is_known_of_it() -> None:
    before = opened(*URLS)
    before.replicas[1].note("ready")
    before.replicas[1].in_flight = 1
    same = opened(URLS[1], before=before).replicas[0]
    assert (same.state, same.in_flight) == ("ready", 1)
    other_key = opened(URLS[1], before=before, api_key="k").replicas[0]
    assert (other_key.state, other_key.in_flight, other_key.api_key) == ("ready", 0, "k")


def listed(upstream: Upstream, *entries: ListedModel) -> None:
    for replica, each in zip(upstream.replicas, entries, strict=True):
        replica.listed = {each.id: each}


def test_the_least_window_that_anybody_says_holds() -> None:
    upstream = opened(*URLS[:2], context_tokens=4096)
    assert upstream.window_tokens(9) == 4096
    listed(upstream, ListedModel("demo", max_model_len=2048), ListedModel("demo"))
    assert upstream.window_tokens(9) == 2048
    listed(upstream, ListedModel("demo", max_model_len=8192), ListedModel("demo"))
    assert upstream.window_tokens(9) == 4096


def test_where_nobody_says_a_window_it_is_the_familys() -> None:
    upstream = opened(URLS[0], family="mistral")
    listed(upstream, ListedModel("another", max_model_len=2048))
    assert upstream.window_tokens(9) == 9
    assert upstream.family == "mistral"


def test_prefixes_are_kept_apart_where_one_engine_is_known_to_do_it() -> None:
    upstream = opened(*URLS[:2])
    assert not upstream.takes_cache_salt
    listed(upstream, ListedModel("demo", owned_by="vllm"), ListedModel("demo"))
    assert upstream.takes_cache_salt
    moved = opened(*URLS[:2], before=upstream)
    assert moved.takes_cache_salt
