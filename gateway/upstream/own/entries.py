"""Reads the entries of files that a person writes; all that is wrong with each is said at once."""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

MAX_QUOTED_CHARS = 100

Entry = TypeVar("Entry", bound=msgspec.Struct)


class UnreadableFileError(Exception):
    """It cannot be read, or is no table of lists of the names that it may have."""


def read_lists(path: Path, *, names: Collection[str]) -> Mapping[str, list[object]]:
    """The lists of a TOML file, by its ending, or of a JSON one; a name may be left out.

    Raises:
        UnreadableFileError: with what is wrong.
    """
    try:
        text = path.read_text("utf-8")
        told = tomllib.loads(text) if path.suffix == ".toml" else msgspec.json.decode(text)
        lists = msgspec.convert(told, dict[str, list[object]])
    except (OSError, ValueError, RecursionError) as cause:
        raise UnreadableFileError(str(cause)) from cause
    unknown = [each for each in lists if each not in names]
    if unknown:
        listed = ", ".join(quoted(each) for each in unknown)
        sentence = f"there is no {listed}; it may have {', '.join(names)}"
        raise UnreadableFileError(sentence)
    return lists


def read_entry(written: object, kind: type[Entry]) -> tuple[Entry | None, list[str]]:
    """The entry, or everything that keeps it from being one."""
    try:
        return msgspec.convert(written, kind), []
    except msgspec.ValidationError as error:
        if not isinstance(written, dict):
            return None, [str(error)]
    return None, list(_problems(written, kind))


def _problems(written: Mapping[object, object], kind: type[msgspec.Struct]) -> Iterator[str]:
    fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
    yield from (f"there is no {quoted(name)}" for name in written if name not in fields)
    for name, field in fields.items():
        if name not in written:
            if field.required:
                yield f"{name} is missing"
            continue
        try:
            msgspec.convert(written[name], field.type)
        except msgspec.ValidationError as error:
            yield f"{name}: {error}"


def repeated(names: Iterable[str]) -> Iterator[str]:
    """Each name that comes again, once."""
    seen: set[str] = set()
    told: set[str] = set()
    for name in names:
        if name in seen and name not in told:
            told.add(name)
            yield name
        seen.add(name)


def quoted(text: object) -> str:
    """As it may stand in a sentence: whoever wrote it may have written anything."""
    return repr(str(text)[:MAX_QUOTED_CHARS])
