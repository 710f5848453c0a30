"""Licence files and hand-overs of the authority behind them: read strictly, verified, bounded."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from appliance.licensing.errors import (
    AuthorityChangeError,
    AuthorityKeyInvalidError,
    AuthorityPinnedError,
    LicenceAuthorityUnknownError,
    LicenceExpiredError,
    LicenceForeignError,
    LicenceForgedError,
    LicenceUnknownAddOnError,
    LicenceUnreadableError,
)
from appliance.licensing.rules.purchases import Item
from gateway.contract.catalog import Catalog

MAX_FILE_BYTES = 64 * 1024
KEY_BYTES = 32
# What is signed begins with the kind of file, so that one kind never passes for another.
LICENCE_CONTEXT = b"casemate licence 1\n"
AUTHORITY_CONTEXT = b"casemate authority 1\n"
# Days outside are mistakes, and date arithmetic stays far from the calendar's own end.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)

Moment = Annotated[datetime, Meta(tz=True)]
Envelope = TypeVar("Envelope", "_LicenceFile", "_AuthorityFile")


class _LicenceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    casemate_licence: Literal[1]
    document: str
    signature: str
    authority: str


class _AuthorityFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    casemate_authority: Literal[1]
    document: str
    signature: str
    authority: str


class AddOnLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a licence; `ends_on` is the first day without it, days are UTC."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)]
    starts_on: date
    ends_on: date
    grace_days: Annotated[int, Meta(ge=0, le=365)] = 14
    accompanies: str | None = None
    namespace: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None

    def __post_init__(self) -> None:
        if not FIRST_DAY <= self.starts_on < self.ends_on <= LAST_DAY:
            sentence = f"ends_on must lie after starts_on, both from {FIRST_DAY} to {LAST_DAY}"
            raise ValueError(sentence)

    def item(self, licence_id: int) -> Item:
        """The line as part of a purchase."""
        ends_at = _midnight(self.ends_on)
        return Item(
            licence_id=licence_id,
            quantity=self.quantity,
            starts_at=_midnight(self.starts_on),
            ends_at=ends_at,
            grace_ends_at=ends_at + timedelta(days=self.grace_days),
            accompanies=self.accompanies,
        )


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a licence says."""

    serial: UUID
    instance_id: UUID
    licensee: Annotated[str, Meta(min_length=1, max_length=255)]
    issued_at: Moment
    add_ons: Annotated[list[AddOnLine], Meta(min_length=1, max_length=100)]


class _Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    new_key: str
    issued_at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceFile:
    """A licence that was read and verified: its text, who signed it, what it says."""

    text: str
    authority: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A key that signs licences; what a demo authority signs is marked everywhere."""

    fingerprint: str
    public_key: bytes
    is_demo: bool


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def fingerprint(public_key: bytes) -> str:
    """The name of a key."""
    digest = hashlib.sha256(public_key).digest()
    return f"SHA256:{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def authority_of(public_key: str, *, is_demo: bool) -> Authority:
    """The authority with that key, given in base64url.

    Raises:
        AuthorityKeyInvalidError: it is no such key.
    """
    try:
        raw = _decoded(public_key)
    except ValueError:
        raise AuthorityKeyInvalidError from None
    if len(raw) != KEY_BYTES:
        raise AuthorityKeyInvalidError
    return Authority(fingerprint=fingerprint(raw), public_key=raw, is_demo=is_demo)


def read_licence(text: str, *, trusted: Authority | None, instance_id: str) -> LicenceFile:
    """Reads a licence that the trusted authority issued for this instance.

    Raises:
        LicenceUnreadableError: not of that form.
        LicenceAuthorityUnknownError: signed by another key, or none is trusted.
        LicenceForgedError: the signature does not match.
        LicenceForeignError: issued for another instance.
    """
    try:
        envelope = _parsed(text, _LicenceFile)
        signed, signature = _decoded(envelope.document), _decoded(envelope.signature)
    except ValueError as cause:
        raise LicenceUnreadableError(str(cause)) from None
    if trusted is None or envelope.authority != trusted.fingerprint:
        raise LicenceAuthorityUnknownError(
            presented=envelope.authority[:64],
            trusted=trusted.fingerprint if trusted is not None else None,
        )
    if not _is_signed(trusted, LICENCE_CONTEXT + signed, signature):
        raise LicenceForgedError
    try:
        document = msgspec.json.decode(signed, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise LicenceUnreadableError(str(cause)) from None
    if not document.licensee.isprintable():
        raise LicenceUnreadableError(reason="licensee must be printable characters")
    if str(document.instance_id) != instance_id:
        raise LicenceForeignError(issued_for=str(document.instance_id), instance_id=instance_id)
    return LicenceFile(text=text, authority=trusted.fingerprint, document=document)


def check_lines(document: Document, catalog: Catalog, *, at: datetime) -> None:
    """Passes when every line buys what the catalogue has, and some line is not over.

    Raises:
        LicenceUnknownAddOnError: the catalogue lacks it.
        LicenceUnreadableError: a line names a companion it cannot have, or lacks the one it needs.
        LicenceExpiredError: all of it is over, grace included.
    """
    for number, line in enumerate(document.add_ons):
        add_on = catalog.add_ons.get(line.name)
        if add_on is None:
            raise LicenceUnknownAddOnError(line.name)
        if add_on.accompanies and line.accompanies not in add_on.accompanies:
            reason = f"add_ons[{number}].accompanies must be {' or '.join(add_on.accompanies)}"
            raise LicenceUnreadableError(reason)
        if not add_on.accompanies and line.accompanies is not None:
            raise LicenceUnreadableError(reason=f"add_ons[{number}].accompanies must be left out")
    if all(line.item(0).state(at) == "expired" for line in document.add_ons):
        raise LicenceExpiredError


def read_change(text: str, *, trusted: Authority | None) -> Authority:
    """The authority that the trusted one hands over to; a demo one only makes another demo one.

    Raises:
        AuthorityChangeError: not of that form, or not signed by the trusted authority.
        AuthorityKeyInvalidError: the new key is none.
    """
    try:
        envelope = _parsed(text, _AuthorityFile)
        signed, signature = _decoded(envelope.document), _decoded(envelope.signature)
    except ValueError as cause:
        raise AuthorityChangeError(reason=str(cause)) from None
    if trusted is None or not _is_signed(trusted, AUTHORITY_CONTEXT + signed, signature):
        raise AuthorityChangeError(reason="it is not signed by the authority that is trusted now")
    try:
        change = msgspec.json.decode(signed, type=_Change)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise AuthorityChangeError(reason=str(cause)) from None
    new = authority_of(change.new_key, is_demo=trusted.is_demo)
    if new.fingerprint == trusted.fingerprint:
        raise AuthorityChangeError(reason="the new key is the one that is trusted already")
    return new


def check_pin(trusted: Authority | None, new: Authority) -> bool:
    """Whether `new` must be written down; False when it is the trusted one.

    Raises:
        AuthorityPinnedError: another is trusted, and `new` is no real one in a demo one's place.
    """
    if trusted is None:
        return True
    if trusted == new:
        return False
    if trusted.is_demo and not new.is_demo and trusted.fingerprint != new.fingerprint:
        return True
    raise AuthorityPinnedError(trusted=trusted.fingerprint, presented=new.fingerprint)


def _parsed(text: str, kind: type[Envelope]) -> Envelope:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_FILE_BYTES:
        sentence = f"it is larger than {MAX_FILE_BYTES} bytes"
        raise ValueError(sentence)
    return msgspec.json.decode(data, type=kind)


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        sentence = "a part of it is not base64url"
        raise ValueError(sentence) from None
    return data


def _is_signed(authority: Authority, signed: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(authority.public_key).verify(signature, signed)
    except InvalidSignature:
        return False
    return True
