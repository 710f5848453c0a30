"""A folder with a signing key: the private key, and the statement that goes into each bundle."""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from install.bundle import signatures, statements
from install.bundle.errors import SignerError, SigningKeyError
from install.bundle.statements import MAX_NAME, Signer, Statement, to_text

PRIVATE = "private.pem"
PUBLIC = "signer.json"


@dataclass(frozen=True)
class SigningKey:
    """A key to sign bundles with; only openssl ever reads the private half."""

    folder: Path
    signer: Signer

    @classmethod
    def load(cls, folder: Path) -> SigningKey:
        """The key in a folder.

        Raises:
            SigningKeyError: there is none, others may read it, or its halves differ.
        """
        private = folder / PRIVATE
        try:
            is_open = stat.S_IMODE(private.stat().st_mode) & 0o077
            signer = statements.parse((folder / PUBLIC).read_bytes())
        except (OSError, SignerError) as cause:
            sentence = (
                f"{folder} holds no signing key that can be read; `casemate bundle key new` makes "
                "one."
            )
            raise SigningKeyError(sentence) from cause
        if is_open:
            sentence = f"Others may read {private}; `chmod 600` it, and change the key if they did."
            raise SigningKeyError(sentence)
        if signatures.public_key(private) != signer.statement.public_key.encode():
            sentence = f"{private} is not the key that {folder / PUBLIC} is about."
            raise SigningKeyError(sentence)
        return cls(folder=folder, signer=signer)

    @property
    def private_key(self) -> Path:
        """The private half, which others may not read."""
        return self.folder / PRIVATE

    @property
    def public_key(self) -> bytes:
        """The public half in PEM."""
        return self.signer.statement.public_key.encode()

    @property
    def fingerprint(self) -> str:
        """What those compare who get a bundle of this key."""
        return self.signer.statement.fingerprint

    def sign(self, message: bytes) -> bytes:
        """The signature; the same message always gives the same one."""
        return signatures.sign(self.private_key, message)


def make(
    folder: Path,
    *,
    name: str,
    not_before: datetime,
    expires: datetime,
    after: SigningKey | None = None,
) -> SigningKey:
    """Makes a key in a new folder; `after` is the earlier one, which then signs the new.

    Raises:
        SigningKeyError: the folder is there, or the name or the times cannot be.
        OpenSSLError: openssl cannot be used.
    """
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        sentence = f"A signer's name has 1 to {MAX_NAME} printable characters."
        raise SigningKeyError(sentence)
    _check_times(not_before, expires, after)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as cause:
        sentence = f"The folder {folder} cannot be made: {cause.strerror}."
        raise SigningKeyError(sentence) from cause
    try:
        public = signatures.new_key(folder / PRIVATE).decode()
        statement = Statement(
            name=name, public_key=public, not_before=to_text(not_before), expires=to_text(expires)
        )
        signer = Signer(statements=_signed(folder, statement, after))
        (folder / PUBLIC).write_bytes(statements.to_bytes(signer))
    except BaseException:
        # Half a key would stand in the way of the next try.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return SigningKey(folder=folder, signer=signer)


def _check_times(not_before: datetime, expires: datetime, after: SigningKey | None) -> None:
    if to_text(not_before) >= to_text(expires):
        sentence = "The key would end before it begins."
        raise SigningKeyError(sentence)
    if after is not None:
        after.signer.statement.check_time(not_before)
    if after is not None and len(after.signer.statements) >= statements.MAX_STATEMENTS:
        sentence = "Too many keys came before this one."
        raise SigningKeyError(sentence)


def _signed(folder: Path, plain: Statement, after: SigningKey | None) -> tuple[Statement, ...]:
    by_itself = signatures.sign(folder / PRIVATE, statements.own_message(plain))
    if after is None:
        return (replace(plain, by_itself=by_itself),)
    by_earlier = after.sign(statements.appointing_message(plain))
    own = replace(plain, by_itself=by_itself, by_earlier=by_earlier)
    return (*after.signer.statements, own)
