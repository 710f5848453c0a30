"""One model that can be forwarded to: its endpoints, which of them is next, what they are asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from yarl import URL

from gateway.contract.addresses import Endpoint, EndpointRefusedError, Network, parse_endpoint
from gateway.contract.feed import ModelState
from gateway.issuer.feed.known_models import KnownModel
from gateway.upstream.client import Origin
from gateway.upstream.listed import ListedModel

DEFAULT_PORTS = {"http": 80, "https": 443}

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Load:
    """How many requests to a model are under way; outlives what is said of the model."""

    in_flight: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Replica:
    """One endpoint of a model, with what each request to it repeats computed once.

    `listed` is what it said of its models when it was asked last.
    """

    ref: str
    base_url: str
    api_key: str | None = field(repr=False)
    origin: Origin
    state: ModelState = "unreachable"
    in_flight: int = 0
    listed: Mapping[str, ListedModel] = field(default_factory=dict, repr=False)
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

    def note(self, state: ModelState) -> None:
        """Keeps what was seen of it; a change is logged."""
        if state != self.state:
            self.state = state
            log.info("model_state_changed", model=self.ref, endpoint=self.origin.host, state=state)

    def _head(self, method: str, path: str) -> str:
        url = URL(self.base_url + path)
        host = url.raw_host if ":" not in (url.raw_host or "") else f"[{url.raw_host}]"
        if url.port != DEFAULT_PORTS[url.scheme]:
            host = f"{host}:{url.port}"
        lines = [f"{method} {url.raw_path} HTTP/1.1", f"Host: {host}"]
        if self.api_key is not None:
            lines.append(f"Authorization: Bearer {self.api_key}")
        return "\r\n".join(lines)


@dataclass(slots=True, kw_only=True, eq=False)
class Upstream:
    """A model with its endpoints, at least one.

    Only clients in `allowed_networks` may use it; none: all. It is asked `max_in_flight` things at
    once at most; 0: no limit. `family` is one of the catalogue's; None: nobody said. It takes
    `context_tokens` of text, if that was said beforehand.
    """

    ref: str
    provider: str
    identifier: str
    is_understood: bool
    replicas: tuple[Replica, ...]
    load: Load
    allowed_networks: tuple[Network, ...] = ()
    max_in_flight: int = 0
    family: str | None = None
    context_tokens: int | None = None
    _turn: int = 0

    @property
    def state(self) -> ModelState:
        """Ready if any endpoint is."""
        return "ready" if any(each.state == "ready" for each in self.replicas) else "unreachable"

    def window_tokens(self, otherwise: int) -> int:
        """How much text it takes, the answer included: the least that anybody says, if one does.

        A context of the definition is what somebody wrote down, what an endpoint says holds for it.
        """
        said = [self.context_tokens, *(each.window_tokens for each in self._entries())]
        return min((each for each in said if each is not None), default=otherwise)

    @property
    def takes_cache_salt(self) -> bool:
        """Whether its prefixes can be kept apart: of the engines known, others may refuse to."""
        return any(each.takes_cache_salt for each in self._entries())

    def _entries(self) -> Iterator[ListedModel]:
        for replica in self.replicas:
            entry = replica.listed.get(self.identifier)
            if entry is not None:
                yield entry

    def next_replica(self) -> Replica:
        """The endpoint for the next request."""
        return self.replicas[0] if len(self.replicas) == 1 else self._least_asked(self.replicas)

    def other_replica(self, failed: Replica) -> Replica | None:
        """A ready endpoint for a request that another one could not take."""
        others = [each for each in self.replicas if each is not failed and each.state == "ready"]
        return self._least_asked(others) if others else None

    def _least_asked(self, replicas: Sequence[Replica]) -> Replica:
        """The ready one with the least to do, of equal ones each in turn; if none is, any."""
        turn = self._turn % len(replicas)
        self._turn = turn + 1
        ordered = (*replicas[turn:], *replicas[:turn])
        return min(ordered, key=lambda each: (each.state != "ready", each.in_flight))


def open_upstream(model: KnownModel, *, load: Load, before: Upstream | None) -> Upstream | None:
    """What is forwarded to for a model; None, and logged, when nothing of it can be used.

    `before` is what it was until now: what was seen of endpoints that stay counts on.
    """
    if not (model.api_key or "").isprintable() or not (model.api_key or "").isascii():
        # It goes into a header, where a line break would begin another one.
        log.warning("model_api_key_unusable", model=model.ref)
        return None
    known = {each.base_url: each for each in before.replicas} if before else {}
    replicas = tuple(
        _replica(model, endpoint, known.get(endpoint.url)) for endpoint in _endpoints(model)
    )
    if not replicas:
        return None
    return Upstream(
        ref=model.ref,
        provider=model.provider,
        identifier=model.identifier,
        is_understood=model.is_understood,
        replicas=replicas,
        load=load,
        allowed_networks=model.allowed_networks,
        max_in_flight=model.max_in_flight,
        family=model.family,
        context_tokens=model.context_tokens,
    )


def _endpoints(model: KnownModel) -> Iterator[Endpoint]:
    for url in dict.fromkeys(url.rstrip("/") for url in model.endpoints):
        try:
            yield parse_endpoint(url)
        except EndpointRefusedError:
            log.warning("model_endpoint_unusable", model=model.ref)
    if not model.endpoints:
        log.warning("model_endpoint_unusable", model=model.ref)


def _replica(model: KnownModel, endpoint: Endpoint, known: Replica | None) -> Replica:
    if known is not None and known.api_key == model.api_key:
        return known
    return Replica(
        ref=model.ref,
        base_url=endpoint.url,
        api_key=model.api_key,
        origin=Origin(endpoint.scheme, endpoint.host, endpoint.port),
        state=known.state if known else "unreachable",
        listed=known.listed if known else {},
    )
