"""The models that this gateway brings, as its files say now; a change counts within seconds."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog

from gateway.contract.addresses import Network
from gateway.contract.catalog import Catalog, load_catalog
from gateway.contract.definitions import MAX_DOCUMENT_BYTES, DefinedFamily, Definitions
from gateway.errors import StateError
from gateway.issuer.feed.known_models import KnownModel
from gateway.upstream.own.definitions_file import Defined, read_definitions
from gateway.upstream.own.upstreams_file import Bound, Surroundings, read_upstreams

DEFINITIONS_FILE = "CASEMATE_DEFINITIONS_FILE"
UPSTREAMS_FILE = "CASEMATE_UPSTREAMS_FILE"

log = structlog.get_logger()

# Of each file what changes with it; None: it is not there.
Marks = Mapping[Path, tuple[int, int, int, int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """The files that say it; `definitions` None: the shipped one, `upstreams` None: none is bound.

    What a binding's endpoints are held to is in `networks`; `is_mounted`: key files may have any
    mode.
    """

    definitions: Path | None
    upstreams: Path | None
    networks: tuple[Network, ...]
    is_mounted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What the files say together: the models that are served, and the document on all."""

    models: tuple[KnownModel, ...]
    document: bytes
    etag: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the files; `brought` None: it has problems. `paths` are all that it looked at."""

    paths: tuple[Path, ...]
    problems: tuple[str, ...]
    brought: Brought | None


class OwnModels:
    """Reads the files, then again whenever one changes; what cannot be used changes nothing."""

    def __init__(self, files: OwnFiles) -> None:
        """Reads them for the first time.

        Raises:
            StateError: they cannot be used; the reason lists every problem, one a line.
        """
        self._files = files
        named = (files.definitions, files.upstreams)
        self._marks: Marks = dict.fromkeys(each for each in named if each is not None)
        reading = self._read()
        if reading.brought is None:
            raise StateError(reason="\n".join(reading.problems))
        self.brought = reading.brought

    async def look(self, on_change: Callable[[Brought], None]) -> None:
        """Looks whether a file has changed; called every few seconds."""
        if await asyncio.to_thread(_marks, self._marks) == self._marks:
            return
        reading = await asyncio.to_thread(self._read)
        if reading.brought is None:
            log.error("own_models_refused", problems=reading.problems)
            return
        if reading.brought == self.brought:
            return
        self.brought = reading.brought
        on_change(reading.brought)
        log.info("own_models_taken_over", served=[each.ref for each in reading.brought.models])

    def _read(self) -> Reading:
        # The marks of before: what is written meanwhile is another change. A file that is named for
        # the first time has none yet, so it is read once more.
        before = _marks(self._marks)
        reading = read_files(self._files)
        self._marks = {path: before.get(path) for path in reading.paths}
        return reading


def read_files(files: OwnFiles) -> Reading:
    """Reads everything once."""
    catalog = load_catalog()
    defined = read_definitions(files.definitions, catalog)
    bound = _bound(files, defined)
    told = (
        (DEFINITIONS_FILE, files.definitions, defined),
        (UPSTREAMS_FILE, files.upstreams, bound),
    )
    problems = [
        f"{setting}: {path}: {problem}" for setting, path, read in told for problem in read.problems
    ]
    brought = None if problems else _brought(defined, bound, catalog)
    if brought is not None and len(brought.document) > MAX_DOCUMENT_BYTES:
        size = f"{len(brought.document)} bytes, {MAX_DOCUMENT_BYTES} are the most"
        problems.append(f"{DEFINITIONS_FILE}: {files.definitions}: makes a document of {size}")
        brought = None
    named = (files.definitions, files.upstreams)
    return Reading(
        paths=(*(each for each in named if each is not None), *bound.key_files),
        problems=tuple(problems),
        brought=brought,
    )


def _bound(files: OwnFiles, defined: Defined) -> Bound:
    if files.upstreams is None:
        return Bound()
    around = Surroundings(
        models={each.identifier: each for each in defined.models},
        identifiers=defined.identifiers,
        networks=files.networks,
        is_mounted=files.is_mounted,
    )
    return read_upstreams(files.upstreams, around)


def _brought(defined: Defined, bound: Bound, catalog: Catalog) -> Brought:
    served = {each.ref for each in bound.models}
    definitions = Definitions(
        models=tuple(
            msgspec.structs.replace(each, served=each.identifier in served)
            for each in defined.models
        ),
        unit_primitives=defined.features,
        families=tuple(families_of(catalog)),
    )
    document = msgspec.json.encode(definitions)
    etag = b'"%b"' % sha256(document).hexdigest()[:32].encode()
    return Brought(models=bound.models, document=document, etag=etag)


def families_of(catalog: Catalog) -> Iterable[DefinedFamily]:
    """The catalogue's families with the features that each suits."""
    for name, family in catalog.model_families.items():
        suited = (key for key, each in catalog.features.items() if name in each.model_families)
        yield DefinedFamily(
            name=name,
            title=family.title,
            context_tokens=family.context_tokens,
            prompt_style=family.prompt_style,
            release_state=family.release_state,
            features=tuple(suited),
        )


def _marks(paths: Iterable[Path]) -> Marks:
    return {path: _mark(path) for path in paths}


def _mark(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
