"""Which addresses a model endpoint may have: checked on saving, and again on connecting."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARS = 2048

# Loopback and the private ranges of RFC 1918 and RFC 4193.
DEFAULT_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)

# No setting opens these: "this host", link-local with the metadata services, multicast, broadcast,
# and the IPv6 forms that carry an IPv4 address past a check of the IPv6 one.
NEVER: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::/32",
        "ff00::/8",
    )
)
LOOPBACK_V6 = IPv6Address("::1")


class EndpointRefusedError(ValueError):
    """An endpoint's URL or address is not one that may be used; `reason` is fit for the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A base URL, taken apart; `url` has no trailing slash."""

    url: str
    scheme: str
    host: str
    port: int


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Whether `address` lies in one of `networks` and in none of `NEVER`."""
    # ::1 lies in ::/96, the deprecated IPv4-compatible range.
    if address != LOOPBACK_V6 and any(address in network for network in NEVER):
        return False
    return any(address in network for network in networks)


def parse_endpoint(url: str) -> Endpoint:
    """Takes a base URL apart.

    Raises:
        EndpointRefusedError: not plain http or https with a host, or it carries credentials, a
            query or a fragment.
    """
    if len(url) > MAX_URL_CHARS or any(c.isspace() or not c.isprintable() for c in url):
        reason = f"The endpoint must be a URL of at most {MAX_URL_CHARS} printable characters."
        raise EndpointRefusedError(reason)
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError as cause:
        reason = "The endpoint is not a URL."
        raise EndpointRefusedError(reason) from cause
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        reason = "The endpoint must begin with http:// or https:// and name a host."
        raise EndpointRefusedError(reason)
    if parts.username is not None or parts.password is not None:
        reason = "The endpoint must not carry a user name or password; use the API key."
        raise EndpointRefusedError(reason)
    if "?" in url or "#" in url:
        reason = "The endpoint must not have a query or a fragment."
        raise EndpointRefusedError(reason)
    return Endpoint(url=url.rstrip("/"), scheme=parts.scheme, host=parts.hostname, port=port)
