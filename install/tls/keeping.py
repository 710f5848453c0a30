"""The certificates under one home: made, taken over, renewed, and shown."""

import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from install.config import Config, public_host, write_private
from install.errors import CertificateError
from install.places import Places
from install.tls import checking
from install.tls.asked import is_name
from install.tls.issuing import Authority, Certificate

SERVICES = ("instance", "gateway")
AUTHORITY = "authority"
ALWAYS = ("localhost", "127.0.0.1", "::1")
WARNED_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One certificate as `status` shows it.

    `ends_at` is in seconds since the epoch; `is_ours` tells this home's own authority from the
    organisation's; `warning` is a sentence, or None.
    """

    name: str
    names: tuple[str, ...]
    ends_at: int
    days_left: int
    is_ours: bool
    warning: str | None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def put(places: Places, config: Config, *, now: datetime, anew: bool = False) -> tuple[str, ...]:
    """Makes or takes over what is missing, other, or due; returns the names of what is new.

    `anew` has the services' own certificates made again even so.

    Raises:
        CertificateError: the organisation's files cannot be used; what was there goes on.
    """
    if not config.tls and config.ca is None:
        return ()
    places.tls.mkdir(mode=0o700, exist_ok=True)
    trusted = _read_text(Path(config.ca)) if config.ca else ""
    if not config.tls:
        return _write_bundle(places, trusted)
    if config.cert is not None:
        taken = _take_over(places, config)
        return (*taken, *_write_bundle(places, trusted))
    authority, made = _ensure_authority(places, now=now)
    # Clients must know the authority before they meet what it signed.
    bundled = _write_bundle(places, authority.bundle() + trusted)
    issued = _issue(places, authority, names_of(config), now=now, anew=anew)
    return (*made, *issued, *(() if made else bundled))


def names_of(config: Config) -> tuple[str, ...]:
    """What the certificates of this home's own authority are made out to."""
    listen = () if ip_address(config.listen).is_unspecified else (config.listen,)
    told = (
        urlsplit(config.handed_on.get(f"CASEMATE_{service.upper()}_PUBLIC_URL", ""))
        for service in SERVICES
    )
    hosts = (url.hostname for url in told if url.scheme == "https" and url.hostname)
    machine = (socket.gethostname().lower(), public_host(config).strip("[]").lower())
    found = (*ALWAYS, *listen, *machine, *hosts, *config.tls_names)
    return tuple(dict.fromkeys(name for name in found if is_name(name)))


def _ensure_authority(places: Places, *, now: datetime) -> tuple[Authority, tuple[str, ...]]:
    path = places.certificate(AUTHORITY)
    if path.exists():
        return Authority.read(path.read_bytes()), ()
    made = Authority.make(now=now)
    write_private(path, made.pem())
    return made, (AUTHORITY,)


def _issue(
    places: Places, authority: Authority, names: tuple[str, ...], *, now: datetime, anew: bool
) -> tuple[str, ...]:
    issued = []
    for service in SERVICES:
        path = places.certificate(service)
        if anew or not _still_good(path, authority, names, now=now):
            write_private(path, authority.issue(names, now=now))
            issued.append(service)
    return tuple(issued)


def _still_good(path: Path, authority: Authority, names: tuple[str, ...], *, now: datetime) -> bool:
    try:
        text = path.read_bytes()
        found = Certificate.read(text)
    except (OSError, CertificateError):
        return False
    return (
        found.names == tuple(sorted(names))
        and authority.has_issued(text)
        and not found.is_due(at=now)
    )


def _take_over(places: Places, config: Config) -> tuple[str, ...]:
    taken = []
    for offered in checking.offered_by(config):
        path = places.certificate(offered.service)
        text = _read_text(offered.key)
        if offered.cert != offered.key:
            text = text.rstrip() + "\n" + _read_text(offered.cert)
        if path.exists() and path.read_text("utf-8") == text:
            continue
        checking.check_pair(offered)
        for hosts in (config.tls_told, config.tls_reached):
            _check_name(offered, hosts)
        write_private(path, text)
        taken.append(offered.service)
    return tuple(taken)


def _check_name(offered: checking.Offered, hosts: Mapping[str, str]) -> None:
    name = hosts.get(offered.service, "").strip("[]")
    if name and checking.first_covered(offered, (name,)) is None:
        sentence = f"The certificate {offered.cert} no longer covers {name}; run `casemate up`."
        raise CertificateError(sentence, code="tls_name_not_covered")


def _write_bundle(places: Places, text: str) -> tuple[str, ...]:
    path = places.authorities
    if path.exists() and path.read_text("utf-8") == text:
        return ()
    write_private(path, text)
    path.chmod(0o644)
    return ("authorities",)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        sentence = f"{path} cannot be read."
        raise CertificateError(sentence, code="tls_file_unreadable") from cause


def shown(places: Places, config: Config, *, now: datetime | None = None) -> tuple[Shown, ...]:
    """Each certificate in use, the authority last; empty without TLS."""
    if not config.tls:
        return ()
    at = now or datetime.now(UTC)
    is_ours = config.cert is None
    found = []
    for name in (*SERVICES, *((AUTHORITY,) if is_ours else ())):
        try:
            certificate = Certificate.read(places.certificate(name).read_bytes())
        except (OSError, CertificateError):
            continue
        left = certificate.ends_at - at
        found.append(
            Shown(
                name=name,
                names=certificate.names,
                ends_at=int(certificate.ends_at.timestamp()),
                days_left=left.days,
                is_ours=is_ours,
                warning=_warning(name, left, is_ours=is_ours),
            )
        )
    return tuple(found)


def _warning(name: str, left: timedelta, *, is_ours: bool) -> str | None:
    if left >= WARNED_BEFORE:
        return None
    days = max(left.days, 0)
    says = f"ends in {days} days" if left > timedelta(0) else "has expired"
    if name == AUTHORITY:
        return f"The authority {says}: remove keys/tls in the home and run `casemate up`."
    if is_ours:
        return f"The {name}'s certificate {says} and was not renewed: see `casemate logs renewal`."
    return f"The {name}'s certificate {says}: put a new one in its place, `casemate tls renew`."
