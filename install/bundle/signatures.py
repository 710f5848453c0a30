"""Ed25519 by the program `openssl`: keys in PEM, detached signatures of 64 bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from install.bundle.errors import (
    OpenSSLError,
    SignatureError,
    SignerError,
    SigningKeyError,
    TemporaryFolderError,
)

SIGNATURE_BYTES = 64
# RFC 8410: everything before the 32 bytes of the key itself is the same for each.
_DER_PREFIX = bytes.fromhex("302a300506032b6570032100")
_KEY_BYTES = 32
_BEGIN = b"-----BEGIN PUBLIC KEY-----\n"
_END = b"\n-----END PUBLIC KEY-----\n"
_IS_WRONG = "Verification Failure"


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Passes when the signature is the key's and the message's; `public_key` is PEM.

    Raises:
        SignatureError: it is not.
        SignerError: the key is no Ed25519 key.
        OpenSSLError: that cannot be found out here.
        TemporaryFolderError: nor can it where nothing can be written for openssl.
    """
    _raw(public_key)
    sentence = "The signature is not the signer's, or what it is for was changed."
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(sentence)
    with _files(public_key, signature, message) as (key, signed, text):
        words = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key]
        done = _openssl([*words, "-sigfile", signed, "-in", text])
    if done.returncode == 0:
        return
    if _IS_WRONG in done.stdout.decode(errors="replace"):
        raise SignatureError(sentence)
    raise _failed(done)


def sign(private_key: Path, message: bytes) -> bytes:
    """The signature; the same key and message give the same one.

    Raises:
        SigningKeyError: the key cannot be used.
        OpenSSLError: openssl cannot be used.
        TemporaryFolderError: nothing can be written for it.
    """
    with _files(message) as (text,):
        words = ["pkeyutl", "-sign", "-rawin", "-inkey", str(private_key), "-in", text]
        done = _openssl(words)
    if done.returncode != 0 or len(done.stdout) != SIGNATURE_BYTES:
        # It is the key's fault unless openssl can read the key.
        public_key(private_key)
        raise _failed(done)
    return done.stdout


def new_key(path: Path) -> bytes:
    """Makes a private key, mode 0600, where no file is yet; returns the public key in PEM.

    Raises:
        SigningKeyError: the file is there, or cannot be written.
        OpenSSLError: openssl cannot be used.
    """
    done = _openssl(["genpkey", "-algorithm", "ed25519"])
    if done.returncode != 0:
        raise _failed(done)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        sentence = f"The key {path} cannot be made: {cause.strerror}."
        raise SigningKeyError(sentence) from cause
    with os.fdopen(handle, "wb") as file:
        file.write(done.stdout)
        file.flush()
        os.fsync(file.fileno())
    return public_key(path)


def public_key(private_key: Path) -> bytes:
    """The public half in PEM.

    Raises:
        SigningKeyError: there is no Ed25519 key.
        OpenSSLError: openssl cannot be used.
    """
    done = _openssl(["pkey", "-in", str(private_key), "-pubout"])
    if done.returncode != 0:
        raise _unusable(private_key)
    try:
        _raw(done.stdout)
    except SignerError as cause:
        raise _unusable(private_key) from cause
    return done.stdout


def fingerprint(public_key: bytes) -> str:
    """What people compare: "SHA256:" and, in base64 without "=", the SHA-256 of the raw 32 bytes.

    Raises:
        SignerError: the key is no Ed25519 key in PEM.
    """
    digest = hashlib.sha256(_raw(public_key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _raw(public_key: bytes) -> bytes:
    body = public_key[len(_BEGIN) : -len(_END)]
    try:
        der = base64.b64decode(body, validate=True)
    except binascii.Error:
        der = b""
    whole = _BEGIN + base64.b64encode(der) + _END
    is_key = der[: len(_DER_PREFIX)] == _DER_PREFIX and len(der) == len(_DER_PREFIX) + _KEY_BYTES
    if whole != public_key or not is_key:
        sentence = "The signer's key is no Ed25519 key."
        raise SignerError(sentence)
    return der[len(_DER_PREFIX) :]


@contextmanager
def _files(*contents: bytes) -> Iterator[list[str]]:
    """The paths of files with these contents, which are there while the block runs."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="casemate-"))
            paths = [Path(folder) / str(number) for number in range(len(contents))]
            for path, content in zip(paths, contents):
                path.write_bytes(content)
        except OSError as cause:
            sentence = (
                f"Nothing can be written to {tempfile.tempdir or 'any temporary folder'}: "
                f"{cause.strerror}. Make room there, or set TMPDIR to another folder."
            )
            raise TemporaryFolderError(sentence) from cause
        yield [str(path) for path in paths]


def _openssl(words: list[str]) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("openssl")
    if program is None:
        sentence = "The program openssl is missing; install OpenSSL 3, which checks signatures."
        raise OpenSSLError(sentence)
    return subprocess.run(
        [program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        # OPENSSL_CONF could name other algorithms.
        env={},
        check=False,
    )


def _failed(done: subprocess.CompletedProcess[bytes]) -> OpenSSLError:
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    reason = f" It said: {said[0][:200]}" if said else ""
    return OpenSSLError(f"openssl failed; OpenSSL 3 is needed.{reason}")


def _unusable(private_key: Path) -> SigningKeyError:
    return SigningKeyError(
        f"{private_key} is no Ed25519 key that can be used; `casemate bundle key new` makes one."
    )
