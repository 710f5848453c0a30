"""Where a request comes from: what an allow-list is asked about."""

from collections.abc import Iterable

from msgspec import UNSET

from gateway.contract.addresses import Network
from gateway.contract.claims import Claims
from gateway.contract.peers import UNKNOWN, client_address, folded_network, parse_peer
from gateway.edge.exchange import Exchange

_FORWARDED_FOR = b"x-forwarded-for"


class Callers:
    """Tells addresses; what a proxy says counts when it is one of `trusted_proxies`."""

    def __init__(self, trusted_proxies: Iterable[Network]) -> None:
        self._trusted_proxies = tuple(folded_network(each) for each in trusted_proxies)

    def address_of(self, claims: Claims, exchange: Exchange) -> str:
        """The address of the user behind the request, or `UNKNOWN`.

        A request that the instance forwards comes from the instance's own address, so only what
        its token says counts: without that, the user passes as nobody rather than as the instance.
        """
        if claims.use == "forwarded":
            said = None if claims.client_ip is UNSET else parse_peer(str(claims.client_ip))
            return UNKNOWN if said is None else str(said)
        forwarded_for = exchange.headers.get(_FORWARDED_FOR, b"").decode("latin-1")
        return client_address(exchange.peer, forwarded_for, self._trusted_proxies)
