"""Checks a bundle as a whole: who signed it, whether this box takes it, that nothing is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from install.bundle import pins, signatures, statements
from install.bundle.errors import (
    SignerError,
    SignerUnknownError,
    TrustError,
    TrustNotConfirmedError,
    UnsignedError,
)
from install.bundle.manifest import Manifest
from install.bundle.opened import Bundle, OnBytes, opened, unheard
from install.bundle.pins import Pin
from install.bundle.statements import Signer, Statement


def _nobody(_statement: Statement) -> bool:
    return False


@dataclass(frozen=True)
class Asks:
    """What the admin said of trust, and how to ask for the rest.

    `fingerprint` is the one that the signer must have. `confirm` asks somebody whether a first
    signer is the right one. `is_unsigned_allowed`: a bundle is taken even though it is not known
    whom it comes from; its digests are checked all the same.
    """

    fingerprint: str | None = None
    confirm: Callable[[Statement], bool] = _nobody
    is_unsigned_allowed: bool = False


@dataclass(frozen=True)
class Verified:
    """A bundle of which every byte is as its signer made it.

    `bundle` is the SHA-256 of the manifest's bytes. `signer` is the fingerprint; None when an
    unsigned bundle was allowed, and `unsigned_because` then has the code of what is wrong with it.
    `new_pin` is whom this box trusts once the bundle is applied, None when that stays as it is.
    """

    manifest: Manifest
    bundle: str
    signer: str | None
    name: str | None
    is_first: bool
    new_pin: Pin | None = None
    unsigned_because: str | None = None

    @property
    def is_unsigned(self) -> bool:
        """Whether it was taken without knowing whom it comes from."""
        return self.unsigned_because is not None


def verify(
    path: Path, *, trust: Path, now: datetime, asks: Asks, on_bytes: OnBytes = unheard
) -> Verified:
    """Reads the whole bundle and changes nothing.

    Raises:
        TrustError: it is not known whom the bundle comes from, or this box does not take it.
        BundleError: it is none, damaged, or cut short.
        OpenSSLError: signatures cannot be checked on this machine.
    """
    with opened(path) as bundle:
        signer, pin, because = None, None, None
        try:
            signer = check_signer(bundle, now)
            pin = _check_trust(signer, trust=trust, now=now, asks=asks)
        except TrustError as error:
            if not asks.is_unsigned_allowed:
                raise
            signer, because = None, error.code
        bundle.check(on_bytes)
        return Verified(
            manifest=bundle.manifest,
            bundle=bundle.digest,
            signer=signer.statement.fingerprint if signer else None,
            name=signer.statement.name if signer else None,
            is_first=not trust.exists(),
            new_pin=pin,
            unsigned_because=because,
        )


def check_signer(bundle: Bundle, now: datetime) -> Signer:
    """Who signed the manifest, proven; whether this box trusts them is another question.

    Raises:
        TrustError: nobody did, or not the one who is named, or outside of the signer's time.
        OpenSSLError: that cannot be found out here.
    """
    if not bundle.signature:
        sentence = "The bundle is not signed; ask its maker for a signed one."
        raise UnsignedError(sentence)
    signer = statements.parse(bundle.signer)
    key = signer.statement.public_key.encode()
    if key != bundle.signer_key:
        sentence = "The bundle names two different keys of its signer; it was changed."
        raise SignerError(sentence)
    statements.check(signer)
    signatures.verify(key, bundle.manifest_bytes, bundle.signature)
    signer.statement.check_time(now)
    return signer


def _check_trust(signer: Signer, *, trust: Path, now: datetime, asks: Asks) -> Pin | None:
    """The new pin, or None when the old one stays."""
    found = pins.pinned(trust)
    statement = signer.statement
    if asks.fingerprint is not None and not _is_same(asks.fingerprint, statement.fingerprint):
        sentence = (
            f"The bundle is signed by {statement.name} with the key {statement.fingerprint}, not "
            f"with {asks.fingerprint}. Compare again; if they differ, do not use this bundle."
        )
        raise TrustNotConfirmedError(sentence)
    if found is None:
        return _pin(statement, now, how=_confirmed(statement, asks))
    if found.fingerprint == statement.fingerprint:
        return None
    if found.fingerprint in {each.fingerprint for each in signer.statements}:
        return _pin(statement, now, how="key_change")
    sentence = (
        f"The bundle is signed by {statement.name} with the key {statement.fingerprint}; this box "
        f"takes only bundles of {found.name} with the key {found.fingerprint}, or of a key which "
        f"that one appointed. If its maker told you of the new key in another way, remove {trust} "
        "and give the key with --fingerprint."
    )
    raise SignerUnknownError(sentence)


def _confirmed(statement: Statement, asks: Asks) -> str:
    if asks.fingerprint is not None:
        return "fingerprint"
    if asks.confirm(statement):
        return "typed"
    sentence = (
        f"The bundle is signed by {statement.name} with the key {statement.fingerprint}, and this "
        "box trusts nobody yet. Compare that with what its maker told you in another way, then "
        f"say so: --fingerprint {statement.fingerprint}"
    )
    raise TrustNotConfirmedError(sentence)


def _pin(statement: Statement, now: datetime, *, how: str) -> Pin:
    return Pin(
        fingerprint=statement.fingerprint,
        name=statement.name,
        public_key=statement.public_key,
        not_before=statement.not_before,
        expires=statement.expires,
        pinned_at=statements.to_text(now),
        how=how,
    )


def _is_same(given: str, found: str) -> bool:
    """Whether two fingerprints are the same; people may copy one without its prefix."""
    return given.strip().rstrip("=").removeprefix("SHA256:") == found.removeprefix("SHA256:")
