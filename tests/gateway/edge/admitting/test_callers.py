from ipaddress import ip_network
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract.claims import Claims
from gateway.contract.feed import ALLOWED_NETWORKS
from gateway.contract.peers import UNKNOWN
from gateway.edge.admitting.callers import Callers
from gateway.edge.exchange import Exchange
from gateway.settings import Settings
from tests.builders import a_feed_model, a_token, some_claims
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually

PROXY, OTHER = "127.0.0.3", "127.0.0.2"


def claims(**changes: object) -> Claims:
    return msgspec.convert(some_claims(**changes), Claims)


async def never(*_: Any) -> Any:
    raise AssertionError


def an_exchange(peer: str | None, *forwarded_for: bytes) -> Exchange:
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "headers": [(b"x-forwarded-for", line) for line in forwarded_for],
        "client": None if peer is None else (peer, 4711),
    }
    return Exchange(scope, never, never)


@pytest.fixture
def callers() -> Callers:
    return Callers([ip_network("10.0.0.0/29"), ip_network("::ffff:10.9.0.0/120")])


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("192.0.2.1", (), "192.0.2.1"),
        ("192.0.2.1", (b"198.51.100.7",), "192.0.2.1"),
        ("10.0.0.1", (b"198.51.100.7",), "198.51.100.7"),
        ("10.9.0.1", (b"198.51.100.7",), "198.51.100.7"),
        ("10.0.0.1", (b"198.51.100.7", b"192.0.2.9", b"10.0.0.2"), "192.0.2.9"),
        ("10.0.0.1", (b"\xff",), UNKNOWN),
        (None, (b"198.51.100.7",), UNKNOWN),
    ],
)
def test_a_direct_request_comes_from_its_peer_or_from_whom_a_trusted_proxy_names(
    callers: Callers, peer: str | None, lines: tuple[bytes, ...], address: str
) -> None:
    assert callers.address_of(claims(), an_exchange(peer, *lines)) == address


@pytest.mark.parametrize("use", ["direct", "instance"])
def test_an_address_in_another_token_than_a_forwarded_one_is_ignored(
    callers: Callers, use: str
) -> None:
    holder = claims(use=use, client_ip="198.51.100.7")
    assert callers.address_of(holder, an_exchange("192.0.2.1")) == "192.0.2.1"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", UNKNOWN),
        ("unknown", UNKNOWN),
        ("10.0.0.0/8", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_forwarded_request_comes_from_where_its_token_says_and_never_from_the_instance(
    callers: Callers, said: str | None, address: str
) -> None:
    holder = claims(use="forwarded", client_ip=said)
    exchange = an_exchange("10.0.0.1", b"192.0.2.9")
    assert callers.address_of(holder, exchange) == address


def restrict(instance: FakeInstance, endpoint: FakeModelEndpoint, *networks: str) -> None:
    instance.serve(
        a_feed_model(endpoint=endpoint.url),
        a_feed_model(
            endpoint=endpoint.url,
            ref="near",
            requires=(ALLOWED_NETWORKS,),
            allowed_networks=networks,
        ),
    )


class Client:
    """Asks from an address of its own."""

    def __init__(self, gateway: RunningGateway, address: str) -> None:
        transport = httpx.AsyncHTTPTransport(local_address=address)
        self.http = httpx.AsyncClient(base_url=gateway.url, transport=transport, timeout=10)

    async def chat(self, *, token: str | None = None, via: str | None = None) -> httpx.Response:
        body = {"model": "near", "messages": [{"role": "user", "content": "Hi"}]}
        return await self.http.post("/v1/chat/completions", json=body, headers=headed(token, via))

    async def models(self, *, via: str | None = None) -> list[str]:
        answer = await self.http.get("/v1/models", headers=headed(None, via))
        return [each["id"] for each in answer.json()["data"]]


def headed(token: str | None, via: str | None) -> dict[str, str]:
    named = {} if via is None else {"X-Forwarded-For": via}
    return {"Authorization": f"Bearer {token or a_token()}", **named}


async def test_a_model_is_open_to_the_addresses_of_its_allow_list(
    settings: Settings, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    restrict(instance, endpoint, "127.0.0.1/32")
    trusting = settings.model_copy(update={"trusted_proxies": (ip_network(f"{PROXY}/32"),)})
    async with a_gateway(trusting) as gateway:
        near, far, proxy = (Client(gateway, each) for each in ("127.0.0.1", OTHER, PROXY))
        async with near.http, far.http, proxy.http:
            assert (await near.chat()).status_code == 200
            assert await near.models() == ["demo", "near"]
            refused = await far.chat()
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                403,
                "address_not_allowed",
            )
            assert await far.models() == ["demo"]
            one = await far.http.get("/v1/models/near", headers=headed(None, None))
            assert (one.status_code, one.json()["error"]["code"]) == (404, "model_not_found")
            assert (await proxy.chat(via=f"{OTHER}, 127.0.0.1")).status_code == 200
            assert await proxy.models(via="127.0.0.1") == ["demo", "near"]
            # Not from a proxy that is not trusted, nor in place of one that is.
            assert (await far.chat(via="127.0.0.1")).status_code == 403
            assert (await proxy.chat(via=f"127.0.0.1, {OTHER}")).status_code == 403
            assert (await proxy.chat(via="unknown")).status_code == 403
            assert (await proxy.chat()).status_code == 403


async def test_a_refusal_names_the_address_that_was_seen_and_has_a_decision(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    restrict(instance, endpoint, "10.0.0.0/8")
    await gateway.catch_up(instance)
    error = (await gateway.chat(model="near")).json()["error"]
    assert "'near'" in error["message"]
    assert "127.0.0.1" in error["message"]
    assert error["decision_id"]
    await eventually(lambda: instance.decisions)
    decision = instance.decisions[0]
    assert (decision.code, decision.model, decision.address) == (
        "address_not_allowed",
        "near",
        "127.0.0.1",
    )


async def test_behind_the_instance_the_users_own_address_counts(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    restrict(instance, endpoint, "127.0.0.1/32", "198.51.100.0/24")
    await gateway.catch_up(instance)

    async def status(**changes: Any) -> int:
        return (await gateway.chat(a_token(**changes), model="near")).status_code

    assert await status(use="forwarded", client_ip="198.51.100.7") == 200
    assert await status(use="forwarded", client_ip="192.0.2.1") == 403
    # The instance is allowed itself, and must not lend its address to a user that it left out.
    assert await status(use="forwarded") == 403
    assert await status(client_ip="192.0.2.1") == 200


async def test_a_direct_token_cannot_bring_an_address(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    restrict(instance, endpoint, "198.51.100.0/24")
    await gateway.catch_up(instance)
    answer = await gateway.chat(a_token(client_ip="198.51.100.7"), model="near")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "address_not_allowed")
