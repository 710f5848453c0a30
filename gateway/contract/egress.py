"""Where a process may connect to: configured hosts, at addresses of the allowed networks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address

from gateway.contract.addresses import Network, is_allowed


class Reason(StrEnum):
    """Why a connection was refused; also the label of the count of them."""

    HOST = "host"
    NETWORK = "network"
    # Somebody went past the guard.
    UNGUARDED = "unguarded"


class EgressRefusedError(OSError):
    """A connection to somewhere that nothing configured, or outside the allowed networks.

    `address` is what lies outside; None when it did not come to that.
    """

    def __init__(self, reason: Reason, sentence: str, *, address: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.address = address


def folded_host(host: str) -> str:
    """The form in which two host names count as one: case and a last dot make no difference.

    A name of other letters is the ASCII one that is looked up for it; if there is none, it stays.
    """
    host = host.strip("[]").lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return host
    return host.removesuffix(".")


def is_written_out(host: str) -> bool:
    """Whether `host` is an address rather than a name; of IPv4 only four decimal numbers are."""
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The networks that may be reached, and the (folded) names that may be resolved."""

    networks: tuple[Network, ...]
    hosts: frozenset[str] = frozenset()

    def with_hosts(self, hosts: Iterable[str]) -> "EgressPolicy":
        """The same with those hosts in place of all others."""
        return replace(self, hosts=frozenset(folded_host(host) for host in hosts))

    def check_host(self, host: str) -> None:
        """Passes for a configured host; an address that is written out must be one as well.

        Raises:
            EgressRefusedError: it is not configured.
        """
        if folded_host(host) not in self.hosts:
            raise EgressRefusedError(Reason.HOST, f"{host} is not a configured host.")

    def check_address(self, address: str) -> None:
        """Passes for an address of the allowed networks.

        Raises:
            EgressRefusedError: it lies outside, or is none.
        """
        try:
            is_fine = is_allowed(ip_address(address.partition("%")[0]), self.networks)
        except ValueError:
            is_fine = False
        if not is_fine:
            sentence = f"The address {address} is outside the allowed networks."
            raise EgressRefusedError(Reason.NETWORK, sentence, address=address)

    def pin(self, host: str, answers: Iterable[str]) -> tuple[str, ...]:
        """The addresses that `host` resolved to, each once: connect to these and to no others.

        One bad answer refuses the name as a whole, since whoever answers for it chose that one too.

        Raises:
            EgressRefusedError: the host is not configured, or an answer lies outside.
            OSError: there is no answer.
        """
        self.check_host(host)
        pinned = tuple(dict.fromkeys(answers))
        if not pinned:
            sentence = f"The host {host} has no address."
            raise OSError(sentence)
        for address in pinned:
            try:
                self.check_address(address)
            except EgressRefusedError as cause:
                sentence = f"The address {address} of {host} is outside the allowed networks."
                raise EgressRefusedError(Reason.NETWORK, sentence, address=address) from cause
        return pinned
