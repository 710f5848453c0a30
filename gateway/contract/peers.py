"""Who is calling, by address, and which callers a model's allow-list lets in."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.contract.addresses import Address, Network

# What stands for an address that nobody can tell: it lies in no network.
UNKNOWN = "unknown"

# More proxies than these stand before no appliance; a longer header is somebody playing.
MAX_HOPS = 32

_MAPPED = IPv6Network("::ffff:0:0/96")


class NetworkRefusedError(ValueError):
    """A text that is no network; `reason` is the rest of a sentence that begins with its name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def folded(address: Address) -> Address:
    """The same without a zone, and an IPv4-mapped one as the IPv4 address that it stands for."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def parse_peer(text: str) -> Address | None:
    """The address that a server or a proxy wrote; None when it is none.

    Of the forms of IPv4 only the four decimal numbers count: others are read in several ways.
    """
    text = text.strip()
    if text.startswith("["):
        text, closed, rest = text[1:].partition("]")
        if ":" not in text or not closed or not _is_port(rest):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        return folded(ip_address(text))
    except ValueError:
        return None


def _is_port(text: str) -> bool:
    return not text or (text[0] == ":" and text[1:].isascii() and text[1:].isdecimal())


def parse_network(text: str) -> Network:
    """A network in CIDR form or a single address; IPv4-mapped ones are folded.

    Raises:
        NetworkRefusedError: it is none, or it names an address within the network.
    """
    host, slash, bits = text.partition("/")
    try:
        address, network = ip_address(host), ip_network(text, strict=False)
    except ValueError as cause:
        reason = "is no network; write one as 10.0.0.0/8, 2001:db8::/32 or a single address"
        raise NetworkRefusedError(reason) from cause
    if "%" in host:
        reason = "names a zone, which only the machine itself knows; leave it out"
        raise NetworkRefusedError(reason)
    if slash and not bits.isdecimal():
        reason = f"has a mask; write {folded_network(network)}"
        raise NetworkRefusedError(reason)
    if address != network.network_address:
        reason = f"has host bits set; write {folded_network(network)} for the whole network"
        raise NetworkRefusedError(reason)
    return folded_network(network)


def folded_network(network: Network) -> Network:
    """The same; one of IPv4-mapped addresses as the IPv4 network that it stands for."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        address = network.network_address.ipv4_mapped
        return IPv4Network((int(address or 0), network.prefixlen - _MAPPED.prefixlen))
    return network


def is_let_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether `address` lies in one of the (folded) `networks`; what is no address lies in none."""
    parsed = parse_peer(address)
    return parsed is not None and any(parsed in network for network in networks)


def client_address(peer: str, forwarded_for: str, trusted: Iterable[Network]) -> str:
    """The address of the caller behind a connection from `peer`, or `UNKNOWN`.

    `forwarded_for` is the request's X-Forwarded-For, several lines of it joined with commas in
    their order; it counts only when the peer lies in one of the (folded) networks of `trusted`.
    Each proxy adds on the right whom it was called by, so the walk goes leftwards from the peer for
    as long as it meets trusted ones; the first other address is the caller. If all are trusted, the
    last one met is. An entry that cannot be read ends in `UNKNOWN`: a trusted proxy was called by
    somebody it does not name, and who is not known must not pass as the proxy.
    """
    caller = parse_peer(peer)
    if caller is None:
        return UNKNOWN
    trusted = tuple(trusted)
    hops = reversed(forwarded_for.split(",")) if trusted and forwarded_for else ()
    for count, entry in enumerate(hops):
        if not any(caller in network for network in trusted):
            break
        if not entry.strip():
            # Empty members of a list are nobody's (RFC 9110, 5.6.1).
            continue
        caller = parse_peer(entry) if count < MAX_HOPS else None
        if caller is None:
            return UNKNOWN
    return str(caller)
