"""Makes a support file: gathers, puts marks in the place of what is private, looks for secrets."""

import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from install.contents import ADMIN
from install.doctor.box import Box
from install.errors import InstallError, SettingError
from install.support import collecting, own_secrets, packing, patterns
from install.support.errors import SecretFoundError
from install.support.own_secrets import Scanner
from install.support.replacing import Marks

USERS = "/api/v4/users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The parts of a support file, which hold no secret that this box knows of."""

    parts: Mapping[str, bytes]
    replaced: Mapping[str, int]


def make(box: Box, *, key: bytes, lines: int, without: Collection[str] = ()) -> Made:
    """Everything but the parts `without`; `key` is forgotten, so that marks cannot be tried out.

    Raises:
        SettingError: there is no such part.
        SecretFoundError: a secret would be in it.
    """
    chosen = list(collecting.parts(lines))
    unknown = sorted(set(without) - {part.name for part in chosen})
    if unknown:
        known = ", ".join(part.name for part in chosen)
        sentence = f"There is no part {', '.join(unknown)}; there are {known}."
        raise SettingError(sentence)
    chosen = [part for part in chosen if part.name not in without]
    marks = Marks(key, users=_users(box), hosts=_hosts(box))
    found = {part.name: marks.replace(collecting.read(part, box)).encode() for part in chosen}
    about = {part.name: part.about for part in chosen}
    found[packing.INVENTORY] = packing.inventory(found, about=about, replaced=marks.count)
    check(found, Scanner(own_secrets.gather(box.places, _handed_on(box))))
    return Made(parts=found, replaced=dict(marks.count))


def check(parts: Mapping[str, bytes], scanner: Scanner) -> None:
    """Passes what holds no secret.

    Raises:
        SecretFoundError: with the part and the kind, never the value.
    """
    for name, content in parts.items():
        kinds = patterns.kinds_in(content.decode("utf-8", "replace"))
        kind = scanner.find(content) or next(iter(sorted(kinds)), None)
        if kind is not None:
            raise SecretFoundError(name, kind)


def _handed_on(box: Box) -> Mapping[str, str]:
    try:
        return box.settings.handed_on
    except InstallError:
        return {}


def _users(box: Box) -> set[str]:
    """Everybody's names, as far as the instance tells them."""
    found: set[str] = set()
    try:
        for user in box.asked.pages(USERS):
            found |= {str(user[name]) for name in ("username", "name", "email") if user.get(name)}
    except (InstallError, ValueError, TypeError, AttributeError):
        pass
    # Every appliance has that one, and words of our own are the same.
    return found - set(ADMIN.values())


def _hosts(box: Box) -> set[str]:
    """The names of machines that this one knows of."""
    found = {socket.gethostname()}
    try:
        settings = box.settings
        urls = [value for value in settings.handed_on.values() if "://" in value]
        found |= {*settings.tls_names, *settings.tls_told.values(), *settings.tls_reached.values()}
        found |= set(_hosts_in(urls))
        endpoints = (model.get("endpoints") or [model["endpoint"]] for model in box.asked.models())
        found |= {host for each in endpoints for host in _hosts_in(each)}
    except (InstallError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {each for each in found if not _says_nothing(each)}


def _hosts_in(urls: Collection[str]) -> Iterator[str]:
    for url in urls:
        try:
            host = urlsplit(url).hostname
        except ValueError:
            continue
        if host:
            yield host


def _says_nothing(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host in {"localhost", "instance", "gateway", "model-server", "postgres"}
    # Addresses are found by their form.
    return True
