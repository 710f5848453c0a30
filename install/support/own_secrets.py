"""The box's own secrets, so that nothing leaves which holds one of them, in whatever form."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from install.places import Places

# A piece of a secret this long is told apart from anything else.
PIECE = 16
SHORTEST = 6
LARGEST_FILE = 2**16
FEWEST_LETTERS = 5
FOLDERS = ("keys", "credentials", "containers/secrets")
FILES = ("model_server/api_key",)
# Signed, and shown to everybody who asks.
PUBLIC_FILES = frozenset({"demo_licence.json"})
PRIVATE_PEM = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?-----END [A-Z0-9 ]*PRIVATE KEY-----", re.DOTALL
)
PUBLIC_WORDS = ("public", "fingerprint", "kid", "_id", "issuer", "url", "name", "format")
# What may stand between two pieces of one value: ends of lines, also as they are written in JSON.
BETWEEN = re.compile(rb"\\[nrt]|[\s\"'+,\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One value that must not leave; `kind` says what it is without telling it.

    `public` is what is in it and everybody may see, such as a private key's other half.
    """

    kind: str
    value: bytes = field(repr=False)
    public: bytes = field(default=b"", repr=False)


def gather(places: Places, handed_on: Mapping[str, str]) -> tuple[Secret, ...]:
    """Every secret that lies in files of this home, or in what `up` was told."""
    found = [each for path in _files(places.home) for each in _in_file(places.home, path)]
    for name, value in handed_on.items():
        password = _password(value)
        if password:
            found.append(Secret(kind=f"the password in {name}", value=password.encode()))
    return tuple(dict.fromkeys(each for each in found if len(each.value) >= SHORTEST))


def _files(home: Path) -> Iterator[Path]:
    for name in FOLDERS:
        files = sorted(path for path in (home / name).rglob("*") if path.is_file())
        yield from (path for path in files if path.name not in PUBLIC_FILES)
    yield from (home / name for name in FILES if (home / name).is_file())
    folder = home / "gateway"
    yield from sorted(path for path in folder.glob("*.pem") if path.is_file())


def _in_file(home: Path, path: Path) -> Iterator[Secret]:
    kind = f"what lies in {path.relative_to(home)}"
    try:
        if path.stat().st_size > LARGEST_FILE:
            return
        text = path.read_bytes()
    except OSError:
        return
    if b"-----BEGIN" in text:
        # Certificates stand beside their keys, and everybody may see them.
        yield from (_in_pem(kind, block) for block in PRIVATE_PEM.findall(text))
        return
    values = list(_values(text))
    for value in values or [text.strip()]:
        yield from _with_content(kind, value)


def _in_pem(kind: str, block: bytes) -> Secret:
    body = b"".join(line for line in block.splitlines() if not line.startswith(b"-----"))
    try:
        public_half = load_pem_private_key(block, password=None).public_key()
        public = public_half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return Secret(kind=kind, value=base64.b64decode(body), public=public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Secret(kind=kind, value=body)


def _values(text: bytes) -> Iterator[bytes]:
    """The private members of a file in JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        return
    if not isinstance(found, dict):
        return
    for name, value in found.items():
        is_public = any(word in name for word in PUBLIC_WORDS)
        if isinstance(value, str) and not is_public and len(value) >= SHORTEST:
            yield value.encode()


def _with_content(kind: str, value: bytes) -> Iterator[Secret]:
    """A value as it stands, and the bytes that it writes out in base64."""
    yield Secret(kind=kind, value=value)
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return
    if len(content) >= PIECE:
        yield Secret(kind=kind, value=content)


def _password(value: str) -> str | None:
    try:
        found = urlsplit(value).password
    except ValueError:
        return None
    return unquote(found) if found else None


def forms(value: bytes) -> Iterator[bytes]:
    """The value as it may be written: itself, in base64 at any offset, in hex, in a URL."""
    yield value
    yield value[::-1]
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    yield json.dumps(value.decode("latin-1"))[1:-1].encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + value)
        # The letters at both ends also hold bits of what stands beside the value.
        inner = text[(offset * 8 + 5) // 6 :].rstrip(b"=")
        inner = inner[:-1] if (offset + len(value)) % 3 else inner
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


class Scanner:
    """Finds secrets, whole or in pieces of sixteen letters, in what is to leave."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._pieces: dict[bytes, str] = {}
        self._short: list[tuple[bytes, str]] = []
        for secret in secrets:
            public = {piece for form in forms(secret.public) for piece in _pieces(form)}
            for form in forms(secret.value):
                self._take(form, secret.kind, public)

    def _take(self, form: bytes, kind: str, public: Set[bytes]) -> None:
        joined = BETWEEN.sub(b"", form)
        if len(joined) < PIECE:
            if len(joined) >= SHORTEST:
                self._short.append((joined, kind))
            return
        for piece in _pieces(joined):
            if piece not in public:
                self._pieces.setdefault(piece, kind)

    def find(self, content: bytes) -> str | None:
        """The kind of the first secret in the content; None when there is none.

        Ends of lines and what stands around them are passed over, so that a value which is written
        over several lines is found as well.
        """
        text = BETWEEN.sub(b"", content)
        for form, kind in self._short:
            if form in text:
                return kind
        pieces = self._pieces
        if not pieces:
            return None
        return next(_hits(text, pieces), None)


def _pieces(form: bytes) -> Iterator[bytes]:
    text = BETWEEN.sub(b"", form)
    for start in range(len(text) - PIECE + 1):
        piece = text[start : start + PIECE]
        if len(set(piece)) >= FEWEST_LETTERS:
            yield piece


def _hits(text: bytes, pieces: Mapping[bytes, str]) -> Iterator[str]:
    windows = (text[start : start + PIECE] for start in range(len(text) - PIECE + 1))
    return (pieces[window] for window in windows if window in pieces)
