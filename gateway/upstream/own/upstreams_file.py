"""Reads where the models are that a gateway brings: the file that binds them to endpoints."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from gateway.contract.addresses import EndpointRefusedError, Network, parse_endpoint
from gateway.contract.definitions import DefinedModel
from gateway.contract.egress import EgressPolicy, EgressRefusedError, is_written_out
from gateway.contract.peers import NetworkRefusedError, parse_network
from gateway.contract.selection import ref_key
from gateway.issuer.feed.known_models import KnownModel
from gateway.issuer.private_files import NotPrivateError, read_private
from gateway.upstream.own.entries import (
    UnreadableFileError,
    quoted,
    read_entry,
    read_lists,
    repeated,
)

MAX_API_KEY_CHARS = 4096
API_KEY = re.compile(rb"[\x21-\x7e]+")  # what may stand in an Authorization header
MAX_IDENTIFIER_CHARS = 1000
MAX_IN_FLIGHT = 1_000_000


class _Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model as it is bound; `identifier` is the endpoints' word for it, its own if none is.

    `api_key_file` is relative to the file's folder; `max_in_flight` 0: no limit.
    """

    model: str
    endpoints: tuple[str, ...]
    identifier: str | None = None
    api_key_file: str | None = None
    allowed_cidrs: tuple[str, ...] = ()
    max_in_flight: Annotated[int, msgspec.Meta(ge=0, le=MAX_IN_FLIGHT)] = 0


@dataclass(slots=True, kw_only=True)
class Bound:
    """What a file says; `key_files` are those that it names, whether or not they can be read."""

    models: tuple[KnownModel, ...] = ()
    key_files: tuple[Path, ...] = ()
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a binding is held to: the models, and where their endpoints may lie.

    `identifiers` has those of models that cannot be used as well; None: nobody can tell.
    `is_mounted`: key files may have any mode.
    """

    models: Mapping[str, DefinedModel]
    identifiers: Collection[str] | None
    networks: tuple[Network, ...]
    is_mounted: bool


def read_upstreams(path: Path, around: Surroundings) -> Bound:
    """Reads a file; its models are good if there is no problem."""
    try:
        lists = read_lists(path, names=("upstreams",))
    except UnreadableFileError as error:
        return Bound(problems=[str(error)])
    reading = _Reading(path.parent, around)
    for number, written in enumerate(lists.get("upstreams", ()), 1):
        reading.take(written, number)
    return reading.bound


class _Reading:
    """The bindings, one after the other, of each model one."""

    def __init__(self, folder: Path, around: Surroundings) -> None:
        self._folder = folder
        self._around = around
        self._policy = EgressPolicy(around.networks)
        self._keys = {ref_key(each): each for each in around.identifiers or ()}
        self._taken: set[str] = set()
        self.bound = Bound()

    def take(self, written: object, number: int) -> None:
        """Reads one more."""
        upstream, problems = read_entry(written, _Upstream)
        where = f"upstream {number}"
        if upstream is not None:
            where = f"upstream of {quoted(upstream.model)}"
            api_key = self._api_key(upstream, problems)
            problems += self._problems(upstream)
            if not problems and upstream.model in self._around.models:
                self.bound.models += (self._known(upstream, api_key),)
        self.bound.problems += [f"{where}: {problem}" for problem in problems]

    def _problems(self, upstream: _Upstream) -> Iterator[str]:
        identifiers = self._around.identifiers
        if identifiers is not None and upstream.model not in identifiers:
            meant = self._keys.get(ref_key(upstream.model))
            hint = f"; {quoted(meant)} is" if meant else ""
            yield f"model: not one of the models that the definitions name{hint}"
        if upstream.model in self._taken:
            yield "model: is bound already; name all its endpoints in one place"
        self._taken.add(upstream.model)
        identifier = upstream.identifier
        if identifier is not None and not _is_identifier(identifier):
            yield f"identifier: must be 1 to {MAX_IDENTIFIER_CHARS} printable characters"
        if not upstream.endpoints:
            yield "endpoints: at least one is needed"
        for url in repeated(each.rstrip("/") for each in upstream.endpoints):
            yield f"endpoints: {quoted(url)} is named twice"
        for url in upstream.endpoints:
            yield from self._of_endpoint(url)
        for text in upstream.allowed_cidrs:
            try:
                parse_network(text)
            except NetworkRefusedError as refused:
                yield f"allowed_cidrs: {quoted(text)} {refused.reason}"

    def _of_endpoint(self, url: str) -> Iterator[str]:
        """A name is looked up, and its addresses are held to the networks, when it is called."""
        try:
            endpoint = parse_endpoint(url)
            if is_written_out(endpoint.host):
                self._policy.check_address(endpoint.host)
        except EndpointRefusedError as refused:
            # It may carry a password.
            yield f"endpoints: {refused.reason}"
        except EgressRefusedError as refused:
            yield f"endpoints: {refused.sentence}"

    def _api_key(self, upstream: _Upstream, problems: list[str]) -> str | None:
        if upstream.api_key_file is None:
            return None
        path = self._folder / upstream.api_key_file
        self.bound.key_files += (path,)
        try:
            content = read_private(path, is_mounted=self._around.is_mounted)
        except (OSError, NotPrivateError, ValueError) as error:
            problems.append(f"api_key_file: {error}")
            return None
        key = content.strip(b"\r\n\t ")
        if len(key) > MAX_API_KEY_CHARS or not API_KEY.fullmatch(key):
            what = f"1 to {MAX_API_KEY_CHARS} visible ASCII characters"
            problems.append(f"api_key_file: {path} must hold {what} and nothing else")
            return None
        return key.decode("ascii")

    def _known(self, upstream: _Upstream, api_key: str | None) -> KnownModel:
        model = self._around.models[upstream.model]
        return KnownModel(
            ref=upstream.model,
            provider=model.provider or "",
            identifier=upstream.identifier or upstream.model,
            endpoints=upstream.endpoints,
            api_key=api_key,
            is_understood=True,
            allowed_networks=tuple(parse_network(text) for text in upstream.allowed_cidrs),
            max_in_flight=upstream.max_in_flight,
            family=model.family,
            context_tokens=model.context_tokens,
        )


def _is_identifier(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_IDENTIFIER_CHARS and text.isprintable()
