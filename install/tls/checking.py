"""Whether the organisation's own certificates can be used here; standard library only.

They are tried the way that clients will try them: by a handshake, which never leaves this process.
"""

import socket
import ssl
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from install.config import Config, public_host
from install.errors import CertificateError

# X509_V_ERR_… of OpenSSL.
NOT_YET_VALID = 9
EXPIRED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The files for one service; `authorities` says whom clients trust."""

    service: str
    cert: Path
    key: Path
    authorities: Path


def settle(config: Config, *, resolves: Callable[[str], bool] | None = None) -> Config:
    """Finds the names to use with the organisation's certificates; nothing else needs any.

    Raises:
        CertificateError: a certificate, its key or its authority cannot be used.
    """
    if config.ca is not None:
        check_authorities(Path(config.ca))
    if not config.tls or config.cert is None:
        return replace(config, tls_told={}, tls_reached={})
    told, reached = {}, {}
    for offered in offered_by(config):
        check_pair(offered)
        name = _told(config, offered)
        told[offered.service] = _in_url(name)
        hosts = (_bare(config.local_host), name)
        reached[offered.service] = _in_url(_reached(offered, hosts, resolves or _resolves))
    return replace(config, tls_told=told, tls_reached=reached)


def offered_by(config: Config) -> tuple[Offered, Offered]:
    """What is offered for the instance and for the gateway."""
    pairs = {
        "instance": (config.cert, config.key),
        "gateway": (config.gateway_cert or config.cert, config.gateway_key or config.key),
    }
    first, second = (
        Offered(
            service=service,
            cert=Path(str(cert)),
            key=Path(str(key)),
            authorities=Path(str(config.ca)),
        )
        for service, (cert, key) in pairs.items()
    )
    return first, second


def check_authorities(path: Path) -> None:
    """Passes a bundle with at least one certificate.

    Raises:
        CertificateError: it is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except OSError as cause:
        sentence = f"--ca: {path} is no readable file of certificates in PEM form."
        raise CertificateError(sentence, code="tls_ca_unusable") from cause


def check_pair(offered: Offered) -> None:
    """Passes a certificate whose key fits and is its owner's alone, and which holds today.

    Raises:
        CertificateError: what is wrong.
    """
    for path in (offered.cert, offered.key):
        try:
            path.read_bytes()
        except OSError as cause:
            sentence = f"{path} cannot be read: {cause.strerror}."
            raise CertificateError(sentence, code="tls_file_unreadable") from cause
    mode = stat.S_IMODE(offered.key.stat().st_mode)
    if mode & 0o077:
        sentence = f"The key {offered.key} can be read by others (mode {mode:04o}, needs 0600)."
        raise CertificateError(sentence, code="tls_key_readable_by_others")
    _server_context(offered)
    refusal = verify(offered, name=None)
    if refusal is not None:
        raise _refused(offered, refusal)


def _refused(offered: Offered, refusal: ssl.SSLCertVerificationError) -> CertificateError:
    who = f"The certificate {offered.cert}"
    if refusal.verify_code == EXPIRED:
        sentence = f"{who}, or one above it, has expired; ask for a new one."
        return CertificateError(sentence, code="tls_certificate_expired")
    if refusal.verify_code == NOT_YET_VALID:
        sentence = f"{who}, or one above it, does not hold yet; see this machine's clock."
        return CertificateError(sentence, code="tls_certificate_not_yet_valid")
    sentence = (
        f"{who} does not lead to an authority in {offered.authorities}: {refusal.verify_message}. "
        "Put the certificates in between behind it into the same file."
    )
    return CertificateError(sentence, code="tls_chain_broken")


def _told(config: Config, offered: Offered) -> str:
    url = urlsplit(config.handed_on.get(f"CASEMATE_{offered.service.upper()}_PUBLIC_URL", ""))
    given = url.hostname if url.scheme == "https" else None
    candidates = (given,) if given else (*config.tls_names, _bare(public_host(config)))
    found = first_covered(offered, candidates)
    if found is not None:
        return found
    sentence = (
        f"The certificate {offered.cert} covers none of {', '.join(candidates)}, of which others "
        f"are told one as the {offered.service}'s address; --tls-name NAME says what it covers."
    )
    raise CertificateError(sentence, code="tls_name_not_covered")


def _reached(offered: Offered, hosts: Sequence[str], resolves: Callable[[str], bool]) -> str:
    for host in hosts:
        if first_covered(offered, (host,)) and resolves(host):
            return host
    name = hosts[-1]
    sentence = (
        f"This machine itself reaches the {offered.service} as {name}, and does not know that "
        "name; add it to /etc/hosts."
    )
    raise CertificateError(sentence, code="tls_name_unresolved")


def first_covered(offered: Offered, names: Iterable[str]) -> str | None:
    """The first of the names that the certificate is made out to."""
    return next((name for name in names if verify(offered, name=name) is None), None)


def verify(offered: Offered, *, name: str | None) -> ssl.SSLCertVerificationError | None:
    """How a client that trusts the authorities alone refuses the certificate; None: it does not.

    Without a name any will do.
    """
    client_context = ssl.create_default_context(cafile=offered.authorities)
    client_context.check_hostname = name is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = _server_context(offered).wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [client, server]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
        except ssl.SSLCertVerificationError as refusal:
            return refusal
    return None


def _server_context(offered: Offered) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A key under a password must not make OpenSSL ask for it on the terminal.
        context.load_cert_chain(offered.cert, offered.key, password="")
    except (OSError, ValueError) as cause:
        sentence = (
            f"{offered.key} is not the key of {offered.cert}; both must be in PEM form, the key "
            "without a password."
        )
        raise CertificateError(sentence, code="tls_key_does_not_fit") from cause
    return context


def _bare(host: str) -> str:
    return host.strip("[]").lower()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return True
