"""What every surface asks before it answers: who is it, and is this permitted."""

import secrets
from collections.abc import Callable, Iterable, Mapping

from gateway.contract.claims import Claims
from gateway.contract.events import Decision
from gateway.contract.feed import SwitchedOff
from gateway.contract.peers import is_let_in
from gateway.edge.admitting.admission import Admission
from gateway.edge.admitting.callers import Callers
from gateway.edge.admitting.choosing import Chooser
from gateway.edge.exchange import Exchange
from gateway.errors import (
    AddressNotAllowedError,
    ForbiddenError,
    IdentityUnavailableError,
    ModelNotSelectableError,
    NamespaceNotGrantedError,
)
from gateway.issuer.tokens.profiles import Kind
from gateway.policy.decisions import DecisionBook, Refusal
from gateway.policy.flags import enabled_flags
from gateway.policy.permits import (
    permit_address,
    permit_feature,
    permit_instance,
    permit_issuer,
    permit_namespace,
    permit_provider,
)
from gateway.policy.routes import RoutePolicy
from gateway.upstream.models import Upstream

DEAF = (
    "The instance has been silent for too long, so nobody can tell whether your token was revoked; "
    "try again in a few seconds."
)


class Gate:
    """Asks the policy, and gives each refusal the id of its decision.

    A call of a model is asked for its token, the groups that its headers name, its scope (also:
    switched off for everyone), its feature (its group known? enabled? a model assigned, if none is
    named?), its model (is there one? selectable? entitled? open to the address?), in this order,
    and last whether revocations may have been missed. The first that fails is the answer.

    `on_decision` hears of each decision once; `clock` gives seconds since the epoch. No model is
    called while `is_deaf` says that revocations may have been missed.
    """

    def __init__(
        self,
        admission: Admission,
        *,
        chooser: Chooser,
        on_decision: Callable[[Decision], None],
        clock: Callable[[], float],
        is_deaf: Callable[[], bool],
        callers: Callers,
    ) -> None:
        self._admission = admission
        self._on_decision = on_decision
        self._clock = clock
        self._is_deaf = is_deaf
        self._callers = callers
        self._book = DecisionBook(secrets.token_bytes)
        self._chooser = chooser
        catalog = chooser.catalog
        self._titles = {
            unit_primitive: catalog.features[feature].title
            for unit_primitive, feature in chooser.features.items()
        }
        self._providers = {name: each.title for name, each in catalog.providers.items()}
        self._switched_off: dict[str, str] = {}
        self._flags_off: frozenset[str] = frozenset()

    def switch_off(self, flags: Iterable[SwitchedOff]) -> None:
        """Sets all feature flags that are off for everyone."""
        flags = tuple(flags)
        self._flags_off = frozenset(each.flag for each in flags)
        self._switched_off = {name: each.flag for each in flags for name in each.unit_primitives}

    def feature_of(self, unit_primitive: str) -> str:
        """The feature that a unit primitive belongs to; empty if there is none."""
        return self._chooser.features.get(unit_primitive, "")

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
            InstanceOnlyError: the route takes the instance's own token only.
            NamespaceNotGrantedError: a header names a group that the token is not for.
            IdentityUnavailableError: it cannot be checked.
            ConfigurationUnavailableError: no instance is pinned yet.
        """
        claims, _ = await self.recognise(headers, policy, unit_primitive)
        return claims

    async def recognise(
        self, headers: Mapping[bytes, bytes], policy: RoutePolicy, unit_primitive: str
    ) -> tuple[Claims, Kind]:
        """As `admit`, and what kind of token they are of."""
        claims, kind = await self._admission.admit(headers)
        try:
            permit_issuer(policy, kind)
            # A GitLab's tokens are for no group, and its headers tell of groups of its own.
            if kind == "casemate":
                permit_namespace(claims, headers, ancestry_of=self._chooser.ancestry_of)
            if policy.is_for_instance:
                permit_instance(claims, is_of_instance=self.is_of_instance(claims))
        except ForbiddenError as error:
            self._decide(error, claims, unit_primitive)
            raise
        return claims, kind

    def flags_of(
        self, claims: Claims, kind: Kind, headers: Mapping[bytes, bytes]
    ) -> frozenset[str]:
        """The feature flags that are on for the request; off for everyone is off for our own."""
        off = self._flags_off if self.is_of_instance(claims) else ()
        return enabled_flags(claims, headers, kind=kind, switched_off=off)

    def permit_scope(self, claims: Claims, unit_primitive: str) -> None:
        """Passes when the token opens something that a call takes along, beside its own scope.

        Raises:
            FeatureNotGrantedError: the token lacks the scope.
        """
        try:
            permit_feature(
                claims, unit_primitive, titles=self._titles, switched_off=self._switched_off
            )
        except ForbiddenError as error:
            self._decide(error, claims, unit_primitive)
            raise

    def lets_in(self, claims: Claims, exchange: Exchange, upstream: Upstream) -> bool:
        """Whether the upstream's allow-list has the address that the request comes from."""
        allowed = upstream.allowed_networks
        return not allowed or is_let_in(self._callers.address_of(claims, exchange), allowed)

    def permit(
        self, claims: Claims, unit_primitive: str, model: str, *, exchange: Exchange
    ) -> Upstream:
        """The upstream that a call gets which names this model, if the caller may use it for this.

        Raises:
            FeatureNotGrantedError: the token lacks the scope.
            ProviderNotEntitledError: the token lacks the provider.
            AddressNotAllowedError: the allow-list has not the address that the request comes from.
            IdentityUnavailableError: revocations may have been missed.
            GatewayError: as `Chooser.choose`.
        """
        upstream = None
        try:
            permit_feature(
                claims, unit_primitive, titles=self._titles, switched_off=self._switched_off
            )
            upstream = self._chooser.choose(claims, unit_primitive, model)
            permit_provider(claims, upstream.provider, titles=self._providers)
            if upstream.allowed_networks:
                address = self._callers.address_of(claims, exchange)
                permit_address(address, upstream.allowed_networks, model=upstream.ref)
        except ForbiddenError as error:
            self._decide(error, claims, unit_primitive, upstream=upstream)
            raise
        if self._is_deaf():
            raise IdentityUnavailableError(message=DEAF, reason="the feed is silent for too long")
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
        provider, model = (upstream.provider, upstream.ref) if upstream else (None, None)
        if isinstance(error, ModelNotSelectableError):
            provider, model = error.provider, error.model
        refusal = Refusal(
            issuer=claims.iss,
            subject=claims.sub,
            code=error.code,
            unit_primitive=unit_primitive,
            namespace_id=namespace_id,
            provider=provider,
            model=model,
            address=error.address if isinstance(error, AddressNotAllowedError) else None,
        )
        decision, is_new = self._book.enter(refusal, now=self._clock())
        error.decision_id = decision.decision_id
        if is_new:
            self._on_decision(decision)
