"""The licence for a demonstration: an authority of this home's own, and what it issues.

Its key never leaves the home, and everything it signs is marked as a demonstration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from install.admin import licence_files
from install.admin.licence_files import AddOn
from install.api import Instance, instance
from install.config import Config, write_private
from install.errors import InstallError
from install.places import Places

LICENSEE = "Demonstration of Casemate"
SEATS = 10
LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
PURCHASES = "/api/v4/ai/add_on_purchases"
SELF_HOSTING = "duo_self_hosted"
DEFAULT_ADD_ON = "duo_enterprise"
# The one way into a container.
FROM_INPUT = ("--file", "/dev/stdin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Words for the instance's own `licence add`, and the licence that it reads; or a warning."""

    words: tuple[str, ...] = ()
    licence: str = ""
    warning: str | None = None


class ToOrder(Protocol):
    """Says what an instance that showed its licences still has to be told."""

    def __call__(self, shown: Mapping[str, Any], *, holder: str) -> Order | None:
        """None when all is as it was."""


def key_file(places: Places) -> Path:
    """The private key of the demonstration's authority; mode 0600."""
    return places.credentials / "demo_authority.pem"


def licence_file(places: Places) -> Path:
    """The licence that was issued last."""
    return places.credentials / "demo_licence.json"


def ordering(places: Places, settings: Config) -> ToOrder:
    """Orders for this home, as of today."""
    today = datetime.now(UTC).date()
    return lambda shown, *, holder: order(places, settings, shown, holder=holder, today=today)


def order(
    places: Places, settings: Config, shown: Mapping[str, Any], *, holder: str, today: date
) -> Order | None:
    """What the instance still has to be told, which showed `shown`; None when all is as it was.

    `holder` is the user who gets the demonstration's first seat.
    """
    if settings.licence_authority is not None:
        return _trust(settings.licence_authority, shown)
    if settings.bare or (shown["authority"] is not None and not shown["is_demo"]):
        return None
    if shown["authority"] is None:
        key = _ensure_key(places)
        text = issue(places, str(shown["instance_id"]), lines_of(DEFAULT_ADD_ON, today=today))
        words = (_key(key), "--demo", *FROM_INPUT, "--seat-for-admin", holder)
        return Order(words=words, licence=text)
    return _renew(places, shown, today=today)


def _trust(key: str, shown: Mapping[str, Any]) -> Order | None:
    if shown["authority"] == licence_files.fingerprint_of(key):
        return None
    if shown["authority"] is None or shown["is_demo"]:
        return Order(words=(_key(key),))
    return Order(
        warning=f"This appliance takes licences of {shown['authority']}, not of the authority that "
        "--licence-authority names; only `casemate licence authority change` goes over to another."
    )


def _key(key: str) -> str:
    # As one word: one key in 64 begins with a dash, and would be taken for an option.
    return f"--authority-key={key}"


def _renew(places: Places, shown: Mapping[str, Any], *, today: date) -> Order | None:
    # Without its key nothing can be renewed; and an admin who removed the licence wants none.
    if not owns_key(places, str(shown["authority"])) or not shown["licences"]:
        return None
    ends_on = max(date.fromisoformat(each["ends_on"]) for each in shown["licences"])
    if ends_on - today >= RENEWED_BEFORE:
        return None
    starts_on = max(ends_on, today)
    lines = [
        AddOn(
            name=line["name"],
            quantity=line["quantity"],
            starts_on=starts_on,
            ends_on=starts_on + LIFE,
            accompanies=line["accompanies"],
            namespace=line["namespace"],
        )
        for line in _last_lines(places)
    ] or lines_of(DEFAULT_ADD_ON, today=starts_on)
    text = issue(places, str(shown["instance_id"]), lines)
    return Order(words=FROM_INPUT, licence=text)


def owns_key(places: Places, fingerprint: str) -> bool:
    """Whether the key of the authority with that name lies here."""
    if not key_file(places).exists():
        return False
    return licence_files.public_half(key_file(places)).fingerprint == fingerprint


def _ensure_key(places: Places) -> str:
    if key_file(places).exists():
        return licence_files.public_half(key_file(places)).public_key
    return licence_files.new_key(key_file(places)).public_key


def _last_lines(places: Places) -> Sequence[Mapping[str, Any]]:
    try:
        text = licence_file(places).read_text("utf-8")
        document = licence_files.inspect(text, public_key=None).document
    except (OSError, InstallError):
        return ()
    found: Sequence[Mapping[str, Any]] = document["add_ons"]
    return found


def lines_of(add_on: str, *, today: date, namespace: str | None = None) -> list[AddOn]:
    """What a demonstration has: an add-on with seats, and the right to models of one's own."""
    return [
        AddOn(
            name=name,
            quantity=SEATS,
            starts_on=today,
            ends_on=today + LIFE,
            accompanies=accompanies,
            namespace=namespace,
        )
        for name, accompanies in ((add_on, None), (SELF_HOSTING, add_on))
    ]


def issue(places: Places, instance_id: str, lines: Sequence[AddOn]) -> str:
    """A new licence, which is kept here as the last."""
    text = licence_files.issue(
        key_file(places), instance_id=instance_id, licensee=LICENSEE, add_ons=lines
    )
    write_private(licence_file(places), text)
    return text


def is_in_use(asked: Instance) -> bool:
    """Whether something counts that was bought for a demonstration only."""
    bought = asked.ask("GET", PURCHASES)
    return any(each["is_demo"] and each["purchased_quantity"] for each in bought)


def is_shown(url: str, token_file: Path) -> bool:
    """The same, and no where nobody can say."""
    try:
        with instance(url, token_file) as asked:
            return is_in_use(asked)
    except InstallError:
        return False
