"""The models that can be forwarded to, and whether their endpoints answer."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp
import structlog
from yarl import URL

from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.contract.feed import ModelState, ReportedModel
from gateway.issuer.feed import KnownModel
from gateway.upstream.egress import EgressGuard

PROBE_TIMEOUT = aiohttp.ClientTimeout(total=3.0)

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Upstream:
    """One model's endpoint, with what each request to it repeats computed once."""

    ref: str
    provider: str
    identifier: str
    base_url: str
    headers: dict[str, str] = field(repr=False)
    is_understood: bool
    state: ModelState = "unreachable"
    _urls: dict[str, URL] = field(default_factory=dict)

    def url(self, path: str) -> URL:
        """The address of `path` (such as `/chat/completions`) below the endpoint's base URL."""
        known = self._urls.get(path)
        if known is None:
            known = self._urls[path] = URL(self.base_url + path)
        return known


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

    async def probe(self, session: aiohttp.ClientSession) -> None:
        """Asks every endpoint once whether it answers; a change of state is logged."""
        await asyncio.gather(*(self._probe(session, each) for each in self.everything()))

    async def _probe(self, session: aiohttp.ClientSession, upstream: Upstream) -> None:
        state: ModelState = "unreachable"
        try:
            async with session.get(
                upstream.url("/models"),
                headers=upstream.headers,
                timeout=PROBE_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                if answer.ok:
                    state = "ready"
        except (aiohttp.ClientError, TimeoutError):
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
    headers = {"Content-Type": "application/json"}
    if model.api_key is not None:
        headers["Authorization"] = f"Bearer {model.api_key}"
    return Upstream(
        ref=model.ref,
        provider=model.provider,
        identifier=model.identifier,
        base_url=endpoint.url,
        headers=headers,
        is_understood=model.is_understood,
    )
