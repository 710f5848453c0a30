"""Hands what the instance says to everything that acts on it."""

from dataclasses import dataclass

from gateway.edge.admitting.gate import Gate
from gateway.edge.calls.running import Running
from gateway.issuer.feed.feed import News
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.tokens.key_sets import KeySet
from gateway.issuer.tokens.verifier import TokenVerifier
from gateway.policy.selections import Selections
from gateway.upstream.endpoints import Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """Everything that acts on what the instance says."""

    endpoints: Endpoints
    key_set: KeySet
    verifier: TokenVerifier
    gate: Gate
    running: Running
    selections: Selections
    revocations: Revocations

    def hear(self, news: News, *, now: float) -> None:
        """Hands each part on; what was taken back first."""
        if news.revocations is not None:
            self.key_set.drop(self.revocations.dead_kids)
            self.running.end(news.revocations)
        if news.keys is not None:
            self.key_set.adopt(news.keys, now=now)
        elif news.confirms_keys:
            self.key_set.confirm(now)
        if news.issuers is not None:
            self.verifier.accept_issuers(news.issuers)
        if news.switched_off is not None:
            self.gate.switch_off(news.switched_off)
            self.selections.switch_off(news.switched_off)
        if news.selections is not None:
            self.selections.replace(news.selections.features, news.selections.groups)
        if news.models is not None:
            self.endpoints.replace(news.models)
