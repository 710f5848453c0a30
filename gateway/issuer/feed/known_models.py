"""The models of the feed as the gateway can use them: keys opened, restrictions understood."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import structlog

from gateway.contract.addresses import Network
from gateway.contract.feed import ALLOWED_NETWORKS, SELECTIONS, FeedModel
from gateway.contract.peers import parse_network
from gateway.errors import StateError
from gateway.issuer.identity import Identity

# What this release understands of `requires`; anything else there means "refuse".
UNDERSTOOD = frozenset({ALLOWED_NETWORKS, SELECTIONS})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model with its API key opened; `is_understood` is False if it needs more.

    Only clients in `allowed_networks` may use it; none: all. It is asked `max_in_flight` things at
    once at most; 0: no limit. `family` is one of the catalogue's; None: nobody said. It takes
    `context_tokens` of text, if that is known beforehand.
    """

    ref: str
    provider: str
    identifier: str
    endpoints: tuple[str, ...]
    api_key: str | None = field(repr=False)
    is_understood: bool
    allowed_networks: tuple[Network, ...] = ()
    max_in_flight: int = 0
    family: str | None = None
    context_tokens: int | None = None


def open_models(
    models: Iterable[FeedModel],
    identity: Identity,
    *,
    requires: Iterable[str] = (),
    understood: Collection[str] = UNDERSTOOD,
) -> tuple[KnownModel, ...]:
    """The models that can be used; one whose API key does not open is left out, and logged.

    `requires` is what the document asks for all of them.
    """
    for_all, kept = frozenset(requires), frozenset(understood)
    opened = (
        _open(each, identity, is_understood=for_all.union(each.requires) <= kept) for each in models
    )
    return tuple(each for each in opened if each is not None)


def _open(model: FeedModel, identity: Identity, *, is_understood: bool) -> KnownModel | None:
    api_key = None
    if model.sealed_api_key is not None:
        try:
            api_key = identity.open_api_key(model.sealed_api_key, ref=model.ref)
        except StateError as error:
            log.error("model_api_key_unreadable", model=model.ref, reason=str(error))  # noqa: TRY400  # the trace says no more
            return None
    try:
        networks = tuple(parse_network(text) for text in model.allowed_networks)
    except ValueError:
        # A restriction that cannot be read is one that cannot be kept.
        log.error("model_allowed_networks_unreadable", model=model.ref)  # noqa: TRY400  # the trace says no more
        networks, is_understood = (), False
    if ALLOWED_NETWORKS in model.requires and not networks:
        # It is restricted, and does not say to whom: open to all is the one thing it is not.
        is_understood = False
    return KnownModel(
        ref=model.ref,
        provider=model.provider,
        identifier=model.identifier,
        endpoints=model.endpoints,
        api_key=api_key,
        is_understood=is_understood,
        allowed_networks=networks,
        max_in_flight=model.max_in_flight,
        family=model.family,
    )
