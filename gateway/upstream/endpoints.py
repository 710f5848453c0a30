"""The models that can be forwarded to, and whether their endpoints answer."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from yarl import URL

from gateway.contract.addresses import EndpointRefusedError, Network, parse_endpoint
from gateway.contract.feed import ModelState, ReportedModel
from gateway.issuer.feed.known_models import KnownModel
from gateway.upstream.client import Client, Origin
from gateway.upstream.connection import BrokenOffError
from gateway.upstream.egress import EgressGuard

PROBE_TIMEOUT_S = 3.0
SUCCESS = range(200, 300)
DEFAULT_PORTS = {"http": 80, "https": 443}

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Upstream:
    """One model's endpoint, with what each request to it repeats computed once.

    Only clients in `allowed_networks` may use it; none: all.
    """

    ref: str
    provider: str
    identifier: str
    base_url: str
    api_key: str | None = field(repr=False)
    is_understood: bool
    origin: Origin
    allowed_networks: tuple[Network, ...] = ()
    state: ModelState = "unreachable"
    _heads: dict[str, bytes] = field(default_factory=dict, repr=False)

    def question(self, path: str, body: bytes) -> bytes:
        """The bytes of a POST to `path`, such as `/chat/completions`, below the base URL."""
        head = self._heads.get(path)
        if head is None:
            lines = (self._head("POST", path), "Content-Type: application/json", "Content-Length: ")
            head = self._heads[path] = "\r\n".join(lines).encode("latin-1")
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def probe(self) -> bytes:
        """The bytes of a request that costs the engine nothing and needs its API key."""
        return f"{self._head('GET', '/models')}\r\n\r\n".encode("latin-1")

    def _head(self, method: str, path: str) -> str:
        url = URL(self.base_url + path)
        host = url.raw_host if ":" not in (url.raw_host or "") else f"[{url.raw_host}]"
        if url.port != DEFAULT_PORTS[url.scheme]:
            host = f"{host}:{url.port}"
        lines = [f"{method} {url.raw_path} HTTP/1.1", f"Host: {host}"]
        if self.api_key is not None:
            lines.append(f"Authorization: Bearer {self.api_key}")
        return "\r\n".join(lines)


class Endpoints:
    """All upstreams by model ref; `always_allowed` are further hosts, such as the instance's."""

    def __init__(self, guard: EgressGuard, *, always_allowed: Iterable[str]) -> None:
        self._guard = guard
        self._always_allowed = frozenset(always_allowed)
        self._upstreams: dict[str, Upstream] = {}
        self._guard.configure(self._always_allowed)

    def replace(self, models: tuple[KnownModel, ...]) -> None:
        """Takes over the models of a new feed document."""
        before, fresh, hosts = self._upstreams, {}, set(self._always_allowed)
        for model in models:
            upstream = _upstream(model)
            if upstream is None:
                continue
            if (known := before.get(model.ref)) and known.base_url == upstream.base_url:
                upstream.state = known.state
            fresh[model.ref] = upstream
            hosts.add(parse_endpoint(upstream.base_url).host)
        self._upstreams = fresh
        self._guard.configure(hosts)

    def find(self, ref: str) -> Upstream | None:
        """The upstream of a model ref."""
        return self._upstreams.get(ref)

    def everything(self) -> list[Upstream]:
        """All upstreams, in the feed's order."""
        return list(self._upstreams.values())

    def report(self) -> tuple[ReportedModel, ...]:
        """What the last probes saw."""
        return tuple(ReportedModel(ref=each.ref, state=each.state) for each in self.everything())

    async def probe(self, client: Client) -> None:
        """Asks every endpoint once whether it answers; a change of state is logged."""
        await asyncio.gather(*(_probe(client, each) for each in self.everything()))


async def _probe(client: Client, upstream: Upstream) -> None:
    state: ModelState = "unreachable"
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            connection = await client.ask(upstream.origin, upstream.probe())
            try:
                await connection.read()
            finally:
                client.take_back(upstream.origin, connection)
        if connection.status in SUCCESS:
            state = "ready"
    except (OSError, TimeoutError, BrokenOffError):
        pass
    if state != upstream.state:
        upstream.state = state
        log.info("model_state_changed", model=upstream.ref, state=state)


def _upstream(model: KnownModel) -> Upstream | None:
    try:
        endpoint = parse_endpoint(model.endpoints[0])
    except (EndpointRefusedError, IndexError):
        log.warning("model_endpoint_unusable", model=model.ref)
        return None
    if not (model.api_key or "").isprintable() or not (model.api_key or "").isascii():
        # It goes into a header, where a line break would begin another one.
        log.warning("model_api_key_unusable", model=model.ref)
        return None
    return Upstream(
        ref=model.ref,
        provider=model.provider,
        identifier=model.identifier,
        base_url=endpoint.url,
        api_key=model.api_key,
        origin=Origin(endpoint.scheme, endpoint.host, endpoint.port),
        is_understood=model.is_understood,
        allowed_networks=model.allowed_networks,
    )
