"""The two questions asked of every model call: is the feature granted, is the provider entitled."""

from gateway.contract.claims import Claims
from gateway.errors import FeatureNotGrantedError, ProviderNotEntitledError
from gateway.policy.routes import RoutePolicy


def required_unit_primitive(policy: RoutePolicy, named: bytes | None) -> str:
    """The unit primitive that a request needs; `named` is the header that may choose another.

    A route without one opens no model, so asking for it here is a defect: the empty name that
    comes back is in no token.
    """
    if named is not None and policy.may_name_another:
        return named.decode("latin-1")
    return policy.unit_primitive or ""


def permit_feature(claims: Claims, unit_primitive: str) -> None:
    """Passes when the token opens the unit primitive.

    Raises:
        FeatureNotGrantedError: the scope is missing, or the token is the instance's own, which
            never opens a model.
    """
    if claims.use == "instance":
        raise FeatureNotGrantedError(
            message="An instance token opens no model; ask with a user's token.",
            reason="instance token",
        )
    if unit_primitive not in claims.scopes:
        raise FeatureNotGrantedError(
            message=f"Your access token does not grant {unit_primitive!r}."[:200],
            reason=f"scope {unit_primitive[:100]!r} is missing",
        )


def permit_provider(claims: Claims, provider: str) -> None:
    """Passes when the organisation is entitled to who runs the model; no seat is asked for.

    Raises:
        ProviderNotEntitledError: it is not.
    """
    if provider not in claims.providers:
        raise ProviderNotEntitledError(
            message=f"Your organisation is not entitled to the provider {provider!r}.",
            reason=f"provider {provider!r} is missing",
        )
