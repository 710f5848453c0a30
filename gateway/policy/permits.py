"""The questions of every model call: of its group, its feature, its provider, its address."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType

from gateway.contract import headers
from gateway.contract.addresses import Network
from gateway.contract.claims import Claims
from gateway.contract.peers import is_let_in
from gateway.errors import (
    AddressNotAllowedError,
    FeatureNotGrantedError,
    InstanceOnlyError,
    IssuerNotPermittedError,
    NamespaceNotGrantedError,
    ProviderNotEntitledError,
)
from gateway.issuer.tokens.profiles import Kind
from gateway.policy.routes import RoutePolicy

# The largest that the instance gives out.
MAX_NAMESPACE_ID = 2**31 - 1

_NAMESPACE_ID = headers.NAMESPACE_ID.lower().encode()
_ROOT_NAMESPACE_ID = headers.ROOT_NAMESPACE_ID.lower().encode()
_ENABLED_BY = headers.ENABLED_BY_NAMESPACE_IDS.lower().encode()
_ID = re.compile(rb"[1-9][0-9]{0,9}")
_NO_TITLES: Mapping[str, str] = MappingProxyType({})
_NONE_OFF: Mapping[str, str] = MappingProxyType({})


def _nothing_above(_: Claims) -> Collection[int]:
    return ()


def required_unit_primitive(
    policy: RoutePolicy, named: bytes | None, *, of_prompt: str = ""
) -> str:
    """The unit primitive that a request needs; `named` is the header that may choose another.

    `of_prompt` is that of the prompt which the path names, where that decides.

    A route without one opens no model, so asking for it here is a defect: the empty name that
    comes back is in no token.
    """
    if policy.is_of_prompt:
        return of_prompt
    if named is not None and policy.may_name_another:
        return named.decode("latin-1")
    return policy.unit_primitive or ""


def permit_issuer(policy: RoutePolicy, kind: Kind) -> None:
    """Passes when the route takes tokens of that kind.

    Raises:
        IssuerNotPermittedError: it does not.
    """
    if kind not in policy.takes:
        raise IssuerNotPermittedError(reason=f"a token of kind {kind}")


def permit_instance(claims: Claims, *, is_of_instance: bool) -> None:
    """Passes when the token is the pinned instance's own, for what is no user's to ask.

    Raises:
        InstanceOnlyError: it is not.
    """
    if not is_of_instance or claims.use != "instance":
        raise InstanceOnlyError(reason=f"a token of use {claims.use}")


def permit_namespace(
    claims: Claims,
    request_headers: Mapping[bytes, bytes],
    *,
    ancestry_of: Callable[[Claims], Collection[int]] = _nothing_above,
) -> None:
    """Passes when every group that the headers name is the token's, or above it.

    `ancestry_of` tells the token's group and all above it, as far as that is known; the top of its
    tree is in the token as well.

    Raises:
        NamespaceNotGrantedError: one is not, or is no id, or the token is for no group at all.
    """
    if named := request_headers.get(_NAMESPACE_ID):
        granted: Collection[int | None] = (claims.ns, claims.root_ns)
        if not _is_among(named, granted):
            granted = ancestry_of(claims)
        _permit_id(named, granted)
    if named := request_headers.get(_ROOT_NAMESPACE_ID):
        _permit_id(named, (claims.root_ns,))
    if named := request_headers.get(_ENABLED_BY):
        for each in named.split(b","):
            _permit_id(each.strip(), (claims.root_ns,))


def _is_among(named: bytes, granted: Collection[int | None]) -> bool:
    # Compared as text: of all ways to write a number only the plain one is an id.
    return any(each is not None and named == b"%d" % each for each in granted)


def _permit_id(named: bytes, granted: Collection[int | None]) -> None:
    if not _is_among(named, granted):
        number = int(named) if _ID.fullmatch(named) else 0
        is_id = 0 < number <= MAX_NAMESPACE_ID
        what = f"group {number}" if is_id else "the group that the request's headers name"
        raise NamespaceNotGrantedError(
            namespace_id=number if is_id else None,
            message=f"Your access token is not for {what}; ask the instance for one that is.",
            reason=f"{named[:100]!r} is not of the token's groups",
        )


def permit_feature(
    claims: Claims,
    unit_primitive: str,
    *,
    titles: Mapping[str, str] = _NO_TITLES,
    switched_off: Mapping[str, str] = _NONE_OFF,
) -> None:
    """Passes when the token opens the unit primitive; `titles` are its features' in sentences.

    `switched_off` names the feature flag of each unit primitive that is closed for everyone.

    Raises:
        FeatureNotGrantedError: the scope is missing, or it is switched off since the token was
            made, or the token is the instance's own, which never opens a model.
    """
    if claims.use == "instance":
        raise FeatureNotGrantedError(
            message="An instance token opens no model; ask with a user's token.",
            reason="instance token",
        )
    if unit_primitive in switched_off:
        flag = switched_off[unit_primitive]
        raise FeatureNotGrantedError(
            message=f"An administrator has switched off {_named(unit_primitive, titles)} for "
            f"everyone, by the feature flag {flag!r}.",
            reason=f"the feature flag {flag!r} is off",
        )
    if unit_primitive not in claims.scopes:
        name, what = repr(unit_primitive[:100]), _named(unit_primitive, titles)
        raise FeatureNotGrantedError(
            message=f"Your access token does not grant {what}; ask your administrator for a seat "
            "that does, then ask the instance for a new token.",
            reason=f"scope {name} is missing",
        )


def _named(unit_primitive: str, titles: Mapping[str, str]) -> str:
    name, title = repr(unit_primitive[:100]), titles.get(unit_primitive)
    return f"{title} ({name})" if title else name


def permit_provider(
    claims: Claims, provider: str, *, titles: Mapping[str, str] = _NO_TITLES
) -> None:
    """Passes when the organisation is entitled to who runs the model; no seat is asked for.

    Raises:
        ProviderNotEntitledError: it is not.
    """
    if provider not in claims.providers:
        title = titles.get(provider)
        what = f"{title} ({provider!r})" if title else repr(provider)
        raise ProviderNotEntitledError(
            message=f"Your organisation is not entitled to the provider {what} of this model; "
            "choose one that GET /v1/models lists, or ask your administrator about the licence.",
            reason=f"provider {provider!r} is missing",
        )


def permit_address(address: str, allowed_networks: Iterable[Network], *, model: str) -> None:
    """Passes when the model's allow-list has the address; not to be asked of an empty list.

    Raises:
        AddressNotAllowedError: it has not.
    """
    if not is_let_in(address, allowed_networks):
        raise AddressNotAllowedError(
            address=address,
            message=f"The model {model!r} may not be used from your address, which the gateway "
            f"sees as {address}; ask your administrator to add it to the model's allow-list, or, "
            "if it is a proxy's, to the gateway's trusted proxies.",
            reason=f"{address} is not on the allow-list of {model!r}",
        )
