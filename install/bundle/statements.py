"""Who a signer is, for how long, and which earlier key appointed it: the bundle's signer.json."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from install.bundle import signatures
from install.bundle.errors import (
    SignatureError,
    SignerError,
    SignerExpiredError,
    SignerNotYetValidError,
)

FORMAT = 1
MAX_NAME = 120
# A key lasts years; what names more than these was made to keep its reader busy.
MAX_STATEMENTS = 64
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# A manifest is JSON, so that no signature of one is ever taken for that of a statement.
_ITSELF = b"casemate: this key is mine\n"
_APPOINTS = b"casemate: this key comes after mine\n"


@dataclass(frozen=True)
class Statement:
    """A key, whose it is, and its time: from `not_before` on, until before `expires`.

    The times are UTC in RFC 3339, whole seconds. `by_itself` and `by_earlier` are signatures; the
    first key has none of an earlier one.
    """

    name: str
    public_key: str
    not_before: str
    expires: str
    by_itself: bytes = b""
    by_earlier: bytes = b""

    @property
    def fingerprint(self) -> str:
        """What people compare."""
        return signatures.fingerprint(self.public_key.encode())

    def check_time(self, now: datetime) -> None:
        """Passes while the key may sign.

        Raises:
            SignerExpiredError: its time is over.
            SignerNotYetValidError: its time has not come.
        """
        if now < to_time(self.not_before):
            sentence = (
                f"The signer {self.name} signs from {self.not_before} on, and this machine's clock "
                f"says {to_text(now)}; set the clock right, then try again."
            )
            raise SignerNotYetValidError(sentence)
        if now >= to_time(self.expires):
            sentence = (
                f"The signer {self.name} signed until {self.expires}, and this machine's clock "
                f"says {to_text(now)}; ask for a bundle with a newer signature, or set the clock "
                "right if it is wrong."
            )
            raise SignerExpiredError(sentence)


@dataclass(frozen=True)
class Signer:
    """A signer's statement, the last of those that lead to it, oldest first."""

    statements: tuple[Statement, ...]

    @property
    def statement(self) -> Statement:
        """The signer's own."""
        return self.statements[-1]


def to_time(text: str) -> datetime:
    """A time as statements write it; ValueError when it is none."""
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


def to_text(time: datetime) -> str:
    """The time as statements write it, fractions of a second cut off."""
    return time.astimezone(timezone.utc).strftime(_TIME)


def own_message(statement: Statement) -> bytes:
    """What the key itself signs: that it is its owner's."""
    return _ITSELF + _facts(statement)


def appointing_message(statement: Statement) -> bytes:
    """What the earlier key signs: that this one comes after it."""
    return _APPOINTS + _facts(statement)


def to_bytes(signer: Signer) -> bytes:
    """The one text of a signer."""
    statements = [
        {
            **_plain(each),
            "by_itself": base64.b64encode(each.by_itself).decode(),
            "by_earlier": base64.b64encode(each.by_earlier).decode(),
        }
        for each in signer.statements
    ]
    found = {"format": FORMAT, "statements": statements}
    return json.dumps(found, indent=1, sort_keys=True).encode("ascii") + b"\n"


def parse(text: bytes) -> Signer:
    """Reads a signer; nothing of it may be believed before `check`.

    Raises:
        SignerError: it is none.
    """
    sentence = "What the bundle says about its signer cannot be read; it was changed or damaged."
    try:
        found = json.loads(text)
        signer = Signer(statements=tuple(_statement(each) for each in found["statements"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise SignerError(sentence) from cause
    if not 0 < len(signer.statements) <= MAX_STATEMENTS or to_bytes(signer) != text:
        raise SignerError(sentence)
    return signer


def check(signer: Signer) -> None:
    """Passes when each key says that it is its owner's, and each but the first was appointed.

    An appointment counts when the new key's time began within that of the one before it.

    Raises:
        SignerError: a statement cannot be, or comes at the wrong time.
        SignatureError: a signature is wrong.
        OpenSSLError: that cannot be found out here.
    """
    earlier: Statement | None = None
    for each in signer.statements:
        key = each.public_key.encode()
        signatures.verify(key, own_message(each), each.by_itself)
        if earlier is None and each.by_earlier:
            sentence = "The bundle's first signer names an earlier one that is not there."
            raise SignatureError(sentence)
        if earlier is not None:
            _check_appointed(each, earlier)
        earlier = each


def _check_appointed(new: Statement, earlier: Statement) -> None:
    if not earlier.not_before <= new.not_before < earlier.expires:
        sentence = f"{earlier.name} could not appoint {new.name} at {new.not_before}."
        raise SignerError(sentence)
    signatures.verify(earlier.public_key.encode(), appointing_message(new), new.by_earlier)


def _statement(found: dict[str, Any]) -> Statement:
    statement = Statement(
        name=_name(found["name"]),
        public_key=found["public_key"],
        not_before=to_text(to_time(found["not_before"])),
        expires=to_text(to_time(found["expires"])),
        by_itself=_signature(found["by_itself"]),
        by_earlier=_signature(found["by_earlier"]),
    )
    if statement.not_before >= statement.expires or not statement.fingerprint:
        raise ValueError
    return statement


def _name(found: Any) -> str:
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= MAX_NAME:
        raise ValueError
    return found


def _signature(found: Any) -> bytes:
    try:
        return base64.b64decode(found, validate=True)
    except binascii.Error as cause:
        raise ValueError from cause


def _plain(statement: Statement) -> dict[str, str]:
    return {
        "name": statement.name,
        "public_key": statement.public_key,
        "not_before": statement.not_before,
        "expires": statement.expires,
    }


def _facts(statement: Statement) -> bytes:
    return json.dumps(_plain(statement), sort_keys=True).encode("ascii") + b"\n"
