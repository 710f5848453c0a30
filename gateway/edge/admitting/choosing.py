"""Finds the model that a call gets: of all there are, the one that its feature and group leave."""

from collections.abc import Callable, Collection, Iterator, Sequence

from gateway.contract.catalog import Catalog
from gateway.contract.claims import Claims
from gateway.contract.selection import Effective
from gateway.errors import (
    GatewayError,
    InvalidRequestError,
    ModelNotFoundError,
    ModelNotSelectableError,
)
from gateway.policy.naming import may_name, resolve, why_not_selectable, why_unresolved
from gateway.policy.selections import Selections
from gateway.upstream.endpoints import Endpoints
from gateway.upstream.models import Upstream

NOT_NAMED = "'model' is missing or is not a string."


class Chooser:
    """Asks what the instance fed, for the bearers of its own tokens; others see no choice of it.

    `is_of_instance` tells whose a token is.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        selections: Selections,
        *,
        catalog: Catalog,
        is_of_instance: Callable[[Claims], bool],
    ) -> None:
        self._endpoints = endpoints
        self._selections = selections
        self._is_of_instance = is_of_instance
        self.catalog = catalog
        self.features = catalog.features_by_unit_primitive()
        """The feature of each unit primitive that belongs to one."""
        self._titles = {name: each.title for name, each in catalog.features.items()}

    def choose(self, claims: Claims, unit_primitive: str, named: str) -> Upstream:
        """The model that a request gets that names this one, or none.

        Raises:
            ConfigurationUnavailableError: groups choose, and the token's is not known.
            FeatureDisabledError: the instance uses no model for the feature.
            FeatureNotAssignedError: nothing may be named, or nothing is, and none is assigned.
            InvalidRequestError: nothing is named, and no feature says what is meant.
            ModelNotFoundError: there is no such model.
            ModelNotSelectableError: there is, but not for this feature in the token's group.
        """
        is_of_instance = self._is_of_instance(claims)
        feature, held = self.features.get(unit_primitive, ""), None
        if is_of_instance:
            held = self._selections.effective(feature, claims)
        ref = resolve(named, held)
        if ref is None:
            raise self._unresolved(feature, held, claims)
        upstream = self._endpoints.find(ref, own_only=not is_of_instance)
        if upstream is None:
            message = None if ref == named else self._not_served(ref, feature)
            raise ModelNotFoundError(message=message, param="model")
        if held is not None and ref not in held.selectable:
            raise self._not_selectable(upstream, held, feature=feature, claims=claims)
        return upstream

    def offered(
        self, claims: Claims, *, ref: str | None = None
    ) -> Iterator[tuple[Upstream, Sequence[str] | None]]:
        """The models that there are for the bearer, or the one of `ref`, with their features.

        Those are the features that the token opens and for which the model may be named; one with
        none is left out. None: nothing is known of features.

        Raises:
            ConfigurationUnavailableError: groups choose, and the token's is not known.
        """
        own_only = not self._is_of_instance(claims)
        upstreams = self._endpoints.everything(own_only=own_only)
        if ref is not None:
            found = self._endpoints.find(ref, own_only=own_only)
            upstreams = [] if found is None else [found]
        if own_only or not self._selections.offers:
            yield from ((each, None) for each in upstreams)
            return
        opened = self._opened(claims)
        for each in upstreams:
            features = [name for name, held in opened if each.ref in held.selectable]
            if features:
                yield each, features

    def _opened(self, claims: Claims) -> list[tuple[str, Effective]]:
        features = self.features.items()
        names = dict.fromkeys(name for opens, name in features if opens in claims.scopes)
        found = ((name, self._selections.effective(name, claims)) for name in names)
        return [(name, held) for name, held in found if held is not None]

    def ancestry_of(self, claims: Claims) -> Collection[int]:
        """The token's group and all above it; empty when that is not known."""
        return self._selections.ancestry(claims.ns) if self._is_of_instance(claims) else ()

    def _usable(self, held: Effective, claims: Claims) -> Iterator[str]:
        for ref in sorted(held.selectable):
            upstream = self._endpoints.find(ref)
            if upstream is not None and upstream.provider in claims.providers:
                yield ref

    def _what(self, feature: str) -> str:
        return f"{self._titles[feature]} ({feature!r})"

    def _unresolved(self, feature: str, held: Effective | None, claims: Claims) -> GatewayError:
        if held is None:
            return InvalidRequestError(message=NOT_NAMED, param="model")
        offer, usable = self._selections.offers[feature], self._usable(held, claims)
        return why_unresolved(offer, what=self._what(feature), usable=usable)

    def _not_served(self, ref: str, feature: str) -> str:
        return (
            f"The model {ref!r}, which {self._what(feature)} uses here, is not served by this "
            "gateway; name another, or ask your administrator."
        )

    def _not_selectable(
        self, upstream: Upstream, held: Effective, *, feature: str, claims: Claims
    ) -> GatewayError:
        ref, offer = upstream.ref, self._selections.offers[feature]
        excluded_at = self._selections.excluded_at(ref, feature, claims)
        why = why_not_selectable(ref, offer, held, excluded_at=excluded_at)
        instead = may_name(self._usable(held, claims))
        return ModelNotSelectableError(
            model=ref,
            provider=upstream.provider,
            message=f"The model {ref!r} may not be used for {self._what(feature)}: {why}{instead}",
            reason=f"{ref!r} is not selectable for {feature!r}",
        )
