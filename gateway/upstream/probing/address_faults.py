"""What can be wrong on the way to a server: its name, its address, its port, its certificate."""

import json
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from gateway.contract.addresses import Endpoint, Network, is_allowed
from gateway.upstream.probing.failing import BASE_URL, ProbeFailedError, listed, where

EVERYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def invalid(url: str, reason: str) -> ProbeFailedError:
    """It is no base URL."""
    proposes = {} if "://" in url else {"endpoint": f"http://{url}"}
    return ProbeFailedError("endpoint_invalid", reason, fix=BASE_URL, proposes=proposes)


def unresolvable(host: str) -> ProbeFailedError:
    """Nobody knows the name."""
    return ProbeFailedError(
        "name_unresolvable",
        f"The gateway's machine does not know the name {host!r}.",
        fix="Correct the name, enter it in the network's DNS or in the hosts file of the gateway's "
        "machine, or give the address itself.",
    )


def not_allowed(host: str, address: str, networks: Sequence[Network]) -> ProbeFailedError:
    """The address is none that the gateway may connect to."""
    of_host = "" if host.strip("[]") == address else f" of {host}"
    plain = ip_address(address.partition("%")[0])
    if not is_allowed(plain, EVERYWHERE):
        return ProbeFailedError(
            "address_never_allowed",
            f"The address {address}{of_host} is one that no model can have: it means the machine "
            "itself, its neighbours without a router, or many machines at once.",
            fix="Give the address at which the model's server is reached in the network.",
        )
    wider = json.dumps([str(each) for each in (*networks, ip_network(plain))])
    return ProbeFailedError(
        "address_not_allowed",
        f"The address {address}{of_host} is outside the networks that the gateway may reach.",
        fix="If that is your server, add its network to CASEMATE_ALLOWED_NETWORKS, of gateway and "
        f"instance alike, such as {wider}, and run `casemate up` again.",
    )


def closed(endpoint: Endpoint) -> ProbeFailedError:
    """Nothing listens."""
    return ProbeFailedError(
        "port_closed",
        f"Nothing listens at {where(endpoint)}.",
        fix="Start the model's server, or correct the port; a server that listens on 127.0.0.1 is "
        "reached from its own machine only (vLLM: --host).",
    )


def unreachable(endpoint: Endpoint, reason: str) -> ProbeFailedError:
    """There is no way there."""
    return ProbeFailedError(
        "unreachable",
        f"There is no way from the gateway to {where(endpoint)}: {reason}.",
        fix="See the routes and the firewall between the gateway's machine and the model's.",
    )


def silent(endpoint: Endpoint, limit_s: float) -> ProbeFailedError:
    """Nothing comes back."""
    return ProbeFailedError(
        "timeout",
        f"{where(endpoint)} did not answer within {limit_s:g} s.",
        fix="See whether the machine is up, and whether a firewall between it and the gateway's "
        "machine drops what is sent.",
    )


def untrusted(issuer: str, *, is_self_signed: bool) -> ProbeFailedError:
    """The certificate is of an authority that the gateway does not know."""
    whose = "itself" if is_self_signed else f"the authority {issuer!r}"
    return ProbeFailedError(
        "certificate_untrusted",
        f"The server's certificate is signed by {whose}, which the gateway does not trust.",
        fix=f"Give the certificate of {issuer!r} with `casemate up --ca FILE` (for a gateway that "
        "`up` does not start: in the one file that CASEMATE_CA_FILE names), and check again.",
    )


def expired(ended: str) -> ProbeFailedError:
    """The certificate is over."""
    return ProbeFailedError(
        "certificate_expired",
        f"The server's certificate has expired: it was good until {ended}.",
        fix="Renew it at the model's server. If it is good by that date, set the clock of the "
        "gateway's machine.",
    )


def not_yet_valid(begins: str) -> ProbeFailedError:
    """The certificate is of the future."""
    return ProbeFailedError(
        "certificate_not_yet_valid",
        f"The server's certificate is good from {begins} on, and not before.",
        fix="Set the clock of the gateway's machine, or that of the machine that made it.",
    )


def wrong_name(endpoint: Endpoint, names: Sequence[str]) -> ProbeFailedError:
    """The certificate is somebody else's."""
    known = listed(names) or "nobody"
    fix, proposes = "Have the server's certificate made out to the name in the endpoint.", {}
    usable = next((each for each in names if "*" not in each and each != endpoint.host), None)
    if usable is not None:
        url = _moved(endpoint, host=usable)
        fix, proposes = f"Use {url}, or h{fix[1:]}", {"endpoint": url}
    return ProbeFailedError(
        "certificate_wrong_name",
        f"The server's certificate is made out to {known}, not to {endpoint.host}.",
        fix=fix,
        proposes=proposes,
    )


def tls_failed(endpoint: Endpoint, reason: str) -> ProbeFailedError:
    """TLS does not come about."""
    return ProbeFailedError(
        "tls_failed",
        f"No TLS connection to {where(endpoint)} comes about: {reason}.",
        fix="See which TLS versions the server speaks (the gateway: 1.2 and 1.3), and whether it "
        "asks for a certificate of the client, which the gateway does not have.",
    )


def plain_port(endpoint: Endpoint) -> ProbeFailedError:
    """TLS is spoken to a plain port."""
    url = _moved(endpoint, scheme="http")
    return ProbeFailedError(
        "speaks_plain_http",
        f"{where(endpoint)} speaks plain HTTP, not TLS.",
        fix=f"Use {url}, or give the server a certificate.",
        proposes={"endpoint": url},
    )


def tls_port(endpoint: Endpoint) -> ProbeFailedError:
    """Plain HTTP is spoken to a TLS port."""
    url = _moved(endpoint, scheme="https")
    return ProbeFailedError(
        "speaks_tls",
        f"{where(endpoint)} speaks TLS, not plain HTTP.",
        fix=f"Use {url}.",
        proposes={"endpoint": url},
    )


def _moved(endpoint: Endpoint, *, scheme: str | None = None, host: str | None = None) -> str:
    """The same path and port elsewhere."""
    place = replace(endpoint, host=host or endpoint.host)
    return f"{scheme or endpoint.scheme}://{where(place)}{urlsplit(endpoint.url).path}"
