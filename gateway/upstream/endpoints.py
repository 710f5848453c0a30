"""The models that can be forwarded to, and whether their endpoints answer."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

import structlog

from gateway.contract.feed import MAX_REPORTED_MODELS, ModelState, ReportedModel
from gateway.contract.selection import ref_key
from gateway.issuer.feed.known_models import KnownModel
from gateway.upstream.client import Client
from gateway.upstream.connection import BrokenOffError
from gateway.upstream.egress import EgressGuard
from gateway.upstream.listed import read_list
from gateway.upstream.models import Load, Replica, Upstream, open_upstream

PROBE_TIMEOUT_S = 3.0
SUCCESS = range(200, 300)

# Whose a model is: the instance feeds it, or a file of this gateway brings it.
Source = Literal["fed", "own"]

log = structlog.get_logger()


class Endpoints:
    """All upstreams by model ref; `always_allowed` are further hosts, such as the instance's.

    Where the instance feeds a model of the same ref as one of the gateway's own, its is meant; the
    gateway's is then for those alone who see nothing of the instance's.
    """

    def __init__(self, guard: EgressGuard, *, always_allowed: Iterable[str]) -> None:
        self._guard = guard
        self._always_allowed = frozenset(always_allowed)
        self._of: dict[Source, dict[str, Upstream]] = {"fed": {}, "own": {}}
        self._loads: dict[tuple[Source, str], Load] = {}
        self._everything: dict[str, Upstream] = {}
        self._hidden: frozenset[str] = frozenset()
        self._guard.configure(self._always_allowed)

    def replace(self, models: Iterable[KnownModel]) -> None:
        """Takes over all models that the instance feeds."""
        self._take_over("fed", models)

    def bring(self, models: Iterable[KnownModel]) -> None:
        """Takes over all models that the gateway brings."""
        self._take_over("own", models)

    def _take_over(self, source: Source, models: Iterable[KnownModel]) -> None:
        before, fresh = self._of[source], {}
        for model in models:
            # What is being answered counts, whatever is said of the model meanwhile.
            load = self._loads.setdefault((source, model.ref), Load())
            upstream = open_upstream(model, load=load, before=before.get(model.ref))
            if upstream is not None:
                fresh[model.ref] = upstream
        self._of[source] = fresh
        self._loads = {
            (whose, ref): load
            for (whose, ref), load in self._loads.items()
            if ref in self._of[whose] or load.in_flight
        }
        self._join()

    def _join(self) -> None:
        fed, own = self._of["fed"], self._of["own"]
        hidden = _named_twice(fed, own)
        for ref in sorted(hidden - self._hidden):
            log.warning("own_model_hidden", model=ref, reason="the instance feeds one of that ref")
        self._hidden = hidden
        visible = {ref: each for ref, each in own.items() if ref not in hidden}
        self._everything = {**fed, **visible}
        hosts = {replica.origin.host for replica in self._replicas()}
        self._guard.configure(self._always_allowed | hosts)

    def find(self, ref: str, *, own_only: bool = False) -> Upstream | None:
        """The upstream of a model ref; `own_only`: among those that the gateway brings."""
        return (self._of["own"] if own_only else self._everything).get(ref)

    def everything(self, *, own_only: bool = False) -> list[Upstream]:
        """All upstreams: those of the feed in its order, then those that the gateway brings."""
        return list((self._of["own"] if own_only else self._everything).values())

    def report(self) -> tuple[ReportedModel, ...]:
        """What the last probes saw; the instance takes no more than so many."""
        reported = self.everything()[:MAX_REPORTED_MODELS]
        return tuple(ReportedModel(ref=each.ref, state=each.state) for each in reported)

    async def probe(self, client: Client) -> None:
        """Asks every endpoint once whether it answers; a change of state is logged."""
        await asyncio.gather(*(_probe(client, each) for each in self._replicas()))

    def _replicas(self) -> list[Replica]:
        upstreams = (each for of in self._of.values() for each in of.values())
        return [replica for each in upstreams for replica in each.replicas]


def _named_twice(fed: Mapping[str, Upstream], own: Mapping[str, Upstream]) -> frozenset[str]:
    if not own:
        return frozenset()
    taken = {ref_key(ref) for ref in fed}
    return frozenset(ref for ref in own if ref_key(ref) in taken)


async def _probe(client: Client, replica: Replica) -> None:
    state: ModelState = "unreachable"
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            connection = await client.ask(replica.origin, replica.probe())
            try:
                body = await connection.read()
            finally:
                client.take_back(replica.origin, connection)
        if connection.status in SUCCESS:
            state = "ready"
            replica.listed = read_list(body)
    except (OSError, TimeoutError, BrokenOffError):
        pass
    replica.note(state)
