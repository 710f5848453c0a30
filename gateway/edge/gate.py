"""What every surface asks before it answers: who is it, and is this permitted."""

import secrets
from collections.abc import Callable, Mapping

from gateway.contract.catalog import Catalog
from gateway.contract.claims import Claims
from gateway.contract.events import Decision
from gateway.edge.admission import Admission
from gateway.errors import ForbiddenError, ModelNotFoundError, NamespaceNotGrantedError
from gateway.policy.decisions import DecisionBook, Refusal
from gateway.policy.permits import (
    permit_feature,
    permit_issuer,
    permit_namespace,
    permit_provider,
)
from gateway.policy.routes import RoutePolicy
from gateway.upstream.endpoints import Upstream


class Gate:
    """Asks the policy, and gives each refusal the id of its decision.

    `on_decision` hears of each decision once; `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        catalog: Catalog,
        on_decision: Callable[[Decision], None],
        clock: Callable[[], float],
    ) -> None:
        self._admission = admission
        self._on_decision = on_decision
        self._clock = clock
        self._book = DecisionBook(secrets.token_bytes)
        self._features = catalog.features_by_unit_primitive()
        self._titles = {
            unit_primitive: catalog.features[feature].title
            for unit_primitive, feature in self._features.items()
        }
        self._providers = {name: each.title for name, each in catalog.providers.items()}

    def feature_of(self, unit_primitive: str) -> str:
        """The feature that a unit primitive belongs to; empty if there is none."""
        return self._features.get(unit_primitive, "")

    def is_of_instance(self, claims: Claims) -> bool:
        """Whether the pinned instance made them, so that what it feeds is for their bearer."""
        return self._admission.is_of_instance(claims)

    async def admit(
        self, headers: Mapping[bytes, bytes], policy: RoutePolicy, unit_primitive: str
    ) -> Claims:
        """The claims of a caller who asks for groups of their token only, or for none.

        Raises:
            InvalidTokenError: no good token, or a header that contradicts it.
            IssuerNotPermittedError: the route does not take tokens of that kind.
            NamespaceNotGrantedError: a header names a group that the token is not for.
            IdentityUnavailableError: it cannot be checked.
            ConfigurationUnavailableError: no instance is pinned yet.
        """
        claims, kind = await self._admission.admit(headers)
        try:
            permit_issuer(policy, kind)
            # A GitLab's tokens are for no group, and its headers tell of groups of its own.
            if kind == "casemate":
                permit_namespace(claims, headers)
        except ForbiddenError as error:
            self._decide(error, claims, unit_primitive)
            raise
        return claims

    def permit(self, claims: Claims, unit_primitive: str, upstream: Upstream | None) -> Upstream:
        """The upstream, if there is one and the caller may use it for this.

        Raises:
            FeatureNotGrantedError: the token lacks the scope.
            ModelNotFoundError: there is none.
            ProviderNotEntitledError: the token lacks the provider.
        """
        try:
            permit_feature(claims, unit_primitive, titles=self._titles)
            if upstream is None:
                raise ModelNotFoundError(param="model")
            permit_provider(claims, upstream.provider, titles=self._providers)
        except ForbiddenError as error:
            self._decide(error, claims, unit_primitive, upstream=upstream)
            raise
        return upstream

    def _decide(
        self,
        error: ForbiddenError,
        claims: Claims,
        unit_primitive: str,
        *,
        upstream: Upstream | None = None,
    ) -> None:
        namespace_id = claims.ns
        if isinstance(error, NamespaceNotGrantedError):
            namespace_id = error.namespace_id
        refusal = Refusal(
            issuer=claims.iss,
            subject=claims.sub,
            code=error.code,
            unit_primitive=unit_primitive,
            namespace_id=namespace_id,
            provider=upstream.provider if upstream else None,
            model=upstream.ref if upstream else None,
        )
        decision, is_new = self._book.enter(refusal, now=self._clock())
        error.decision_id = decision.decision_id
        if is_new:
            self._on_decision(decision)
