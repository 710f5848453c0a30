"""What a model names when it wants something read: a number, a path with a number, an address."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["issue", "merge_request", "job", "project"]

MAX_CHARS = 2_000
# The largest number that the database knows of.
MAX_NUMBER = 2**31 - 1

_SIGNS: Mapping[str, str] = {"issue": "#", "merge_request": "!", "job": "#"}
_PAGES: Mapping[Kind, tuple[str, ...]] = {
    "issue": ("issues", "work_items"),
    "merge_request": ("merge_requests",),
    "job": ("jobs",),
    "project": (),
}
_WORDS: Mapping[Kind, str] = {
    "issue": "issue",
    "merge_request": "merge request",
    "job": "job",
    "project": "project",
}
_THIS = frozenset({"", "this", "current", "it", "this one", "null", "none"})
_PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]*")
# The members in which models put what they mean, the likeliest first.
_MEMBERS = (
    "reference",
    "resource_identifier",
    "identifier",
    "url",
    "iid",
    "id",
    "number",
    "query",
    "question",
    "search",
    "project",
    "path",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is meant: with neither a project nor a number it is what the page shows.

    Without a project the number counts in the request's own.
    """

    project: str | None = None
    number: int | None = None


def input_text(tool_input: Any) -> str:
    """What a model hands a tool, as one text, whatever form it chose."""
    said = tool_input
    if isinstance(said, str) and len(said) <= MAX_CHARS and said.lstrip()[:1] in {"{", '"'}:
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            said = tool_input
    if isinstance(said, Mapping):
        named = [said[name] for name in _MEMBERS if said.get(name) is not None]
        said = (named or [*said.values(), ""])[0]
    if not isinstance(said, str | int | float) or isinstance(said, bool):
        return ""
    return str(said)[:MAX_CHARS].strip().strip("\"'`").strip()


def parse(text: str, kind: Kind, *, public_url: str) -> Reference | None:
    """What a text means for a tool that reads things of that kind; None: nothing."""
    if len(text) > MAX_CHARS or not text.isprintable():
        return None
    named = _without_words(text, kind)
    if named in _THIS:
        return Reference()
    if "://" in named:
        return _of_address(named, kind, public_url=public_url)
    if kind == "project":
        return Reference(project=named) if _PATH.fullmatch(named) else None
    return _of_sign(named, _SIGNS[kind])


def _of_sign(named: str, sign: str) -> Reference | None:
    if _is_number(named):
        return _numbered(None, named)
    project, found, number = named.rpartition(sign)
    if not found or (project and not _PATH.fullmatch(project)):
        return None
    return _numbered(project or None, number)


def _without_words(text: str, kind: Kind) -> str:
    word = re.escape(_WORDS[kind]).replace(r"\ ", "[ _]?")
    named = re.sub(rf"^(?:the |this |current )*{word}(?=\b)[: ]*", "", text, flags=re.IGNORECASE)
    lowered = named.strip().lower()
    return lowered if lowered in _THIS else named.strip()


def _of_address(address: str, kind: Kind, *, public_url: str) -> Reference | None:
    try:
        asked, ours = urlsplit(address), urlsplit(public_url)
    except ValueError:
        return None
    if (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc):
        return None
    path = unquote(asked.path)
    if not path.startswith(f"{ours.path.rstrip('/')}/"):
        return None
    project, _, page = path.removeprefix(ours.path.rstrip("/")).strip("/").partition("/-/")
    if not _PATH.fullmatch(project):
        return None
    if kind == "project":
        return Reference(project=project)
    name, _, number = page.rstrip("/").partition("/")
    return _numbered(project, number.split("/")[0]) if name in _PAGES[kind] else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _numbered(project: str | None, text: str) -> Reference | None:
    if not _is_number(text) or len(text) > len(str(MAX_NUMBER)) or not 0 < int(text) <= MAX_NUMBER:
        return None
    return Reference(project=project, number=int(text))
