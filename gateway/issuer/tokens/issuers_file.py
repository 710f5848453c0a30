"""Reads whom the gateway believes beside its pinned instance: a file that a person writes."""

import re
import ssl
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.errors import StateError
from gateway.issuer.tokens.key_sets import KeySetFetchError, parse_key_set

MAX_ISSUERS = 64
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SOURCES = ("discovery_url", "key_set_url", "key_set_file")


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer as it is written; paths are relative to the file's folder."""

    name: str
    kind: Literal["casemate", "gitlab"]
    issuer: str
    discovery_url: str | None = None
    key_set_url: str | None = None
    key_set_file: str | None = None
    providers: frozenset[str] = frozenset()
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerEntry:
    """One further issuer: exactly one of the three sources of its keys is set.

    `trusted` None: whoever the gateway trusts otherwise.
    """

    name: str
    kind: Literal["casemate", "gitlab"]
    issuer: str
    providers: frozenset[str]
    discovery_url: str | None
    key_set_url: str | None
    key_set_file: Path | None
    trusted: ssl.SSLContext | None

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that its keys are fetched from."""
        urls = (self.discovery_url, self.key_set_url)
        return frozenset(parse_endpoint(url).host for url in urls if url)


def read_issuers(
    path: Path, *, taken: Collection[str], providers: Collection[str]
) -> tuple[IssuerEntry, ...]:
    """The issuers of a TOML file (`[[issuers]]`) or a JSON one (`{"issuers": [...]}`).

    `taken` are `iss` that are somebody's already, `providers` those that there are.

    Raises:
        StateError: all that is wrong with it, one a line.
    """
    try:
        text = path.read_text()
        told = tomllib.loads(text) if path.suffix == ".toml" else msgspec.json.decode(text)
        written = msgspec.convert(told, dict[Literal["issuers"], list[dict[str, Any]]])["issuers"]
    except (OSError, ValueError, KeyError, RecursionError) as cause:
        raise StateError(reason=f"CASEMATE_ISSUERS_FILE: {path}: {cause}") from cause
    problems, read = [], _Reading(path.parent, taken=taken, providers=providers)
    if len(written) > MAX_ISSUERS:
        problems.append(f"more than {MAX_ISSUERS} issuers")
    for number, each in enumerate(written[:MAX_ISSUERS], 1):
        problems += [f"issuer {number}: {problem}" for problem in read.take(each)]
    if problems:
        listed = "\n".join(f"CASEMATE_ISSUERS_FILE: {path}: {problem}" for problem in problems)
        raise StateError(reason=listed)
    return tuple(read.entries)


class _Reading:
    """Entries one after the other: neither a name nor an `iss` may be there twice."""

    def __init__(self, folder: Path, *, taken: Collection[str], providers: Collection[str]) -> None:
        self._folder = folder
        self._taken = set(taken)
        self._providers = providers
        self._names: set[str] = set()
        self._trusted: ssl.SSLContext | None = None
        self.entries: list[IssuerEntry] = []

    def take(self, written: Mapping[str, Any]) -> list[str]:
        """Reads one more; its problems, none when it is good."""
        try:
            entry = msgspec.convert(written, _Entry)
        except msgspec.ValidationError as error:
            return [str(error)]
        problems = [*self._of_names(entry), *self._of_source(entry), *self._of_authority(entry)]
        self._names.add(entry.name)
        self._taken.add(entry.issuer)
        if not problems:
            self.entries.append(self._entry(entry))
        return problems

    def _entry(self, entry: _Entry) -> IssuerEntry:
        return IssuerEntry(
            name=entry.name,
            kind=entry.kind,
            issuer=entry.issuer,
            providers=entry.providers,
            discovery_url=entry.discovery_url,
            key_set_url=entry.key_set_url,
            key_set_file=self._folder / entry.key_set_file if entry.key_set_file else None,
            trusted=self._trusted,
        )

    def _of_names(self, entry: _Entry) -> Iterator[str]:
        if _NAME.fullmatch(entry.name) is None:
            yield "name: small letters, digits, - and _, at most 40, a letter first"
        if entry.name in self._names:
            yield f"name: {entry.name} is there twice"
        if not entry.issuer or not entry.issuer.isprintable():
            yield "issuer: must be the exact `iss` of its tokens"
        if entry.issuer in self._taken:
            yield f"issuer: {entry.issuer} is somebody's already"
        for provider in sorted(entry.providers - frozenset(self._providers)):
            yield f"providers: there is no {provider!r}"

    def _of_source(self, entry: _Entry) -> Iterator[str]:
        urls = (entry.discovery_url, entry.key_set_url)
        if sum(each is not None for each in (*urls, entry.key_set_file)) != 1:
            yield f"exactly one of {', '.join(_SOURCES)} is needed"
        for url in urls:
            try:
                parse_endpoint(url or "http://none")
            except EndpointRefusedError as error:
                yield f"{url}: {error.reason}"
        if entry.key_set_file is not None:
            try:
                if not parse_key_set((self._folder / entry.key_set_file).read_bytes()):
                    yield "key_set_file: no RS256 key of at least 2048 bits in it"
            except (OSError, KeySetFetchError) as error:
                yield f"key_set_file: {error}"

    def _of_authority(self, entry: _Entry) -> Iterator[str]:
        self._trusted = None
        if entry.ca_file is not None:
            try:
                self._trusted = ssl.create_default_context(cafile=self._folder / entry.ca_file)
            except (OSError, ValueError) as error:
                yield f"ca_file: {error}"
