"""What an answer of an OpenAI server says, read without trusting its form; no I/O."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec

from gateway.contract.addresses import Endpoint
from gateway.upstream.probing.asking import Answer

MODELS_PATH = "/models"
CHAT_PATH = "/chat/completions"
COMPLETIONS_PATH = "/completions"
# What people copy out of an example, the longest first.
_COPIED = (CHAT_PATH, COMPLETIONS_PATH, MODELS_PATH)
_VERSION = "/v1"
# Comparing names costs more the longer they are, and the list is somebody else's.
MAX_COMPARED = 200
MAX_COMPARED_CHARS = 128
_CLOSE = 0.6

_DONE = "[DONE]"


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _Choice(msgspec.Struct):
    message: dict[str, Any] | None = None
    text: str | None = None
    delta: dict[str, Any] | None = None


class _Answered(msgspec.Struct):
    choices: list[_Choice]


class _Said(msgspec.Struct):
    message: str


class _Refused(msgspec.Struct):
    """The forms in which servers say what is wrong: OpenAI's, a plain one, FastAPI's."""

    error: _Said | str | None = None
    message: str | None = None
    detail: str | None = None


def listed_models(answer: Answer) -> list[str] | None:
    """The names in a list of models; None if it is no such list."""
    try:
        return [each.id for each in msgspec.json.decode(answer.body, type=_Models).data]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_answered(answer: Answer) -> bool:
    """Whether it is a whole answer to a chat or to a text to be completed."""
    try:
        choices = msgspec.json.decode(answer.body, type=_Answered).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return any(each.message is not None or each.text is not None for each in choices)


def words_of(answer: Answer) -> str:
    """What an error says; "" if nothing."""
    try:
        said = msgspec.json.decode(answer.body, type=_Refused)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    error = said.error.message if isinstance(said.error, _Said) else said.error
    return error or said.message or said.detail or ""


def streamed_events(answer: Answer) -> tuple[int, bool]:
    """How many parts of an answer a stream has, and whether it says that it is at its end."""
    lines = answer.body.decode("utf-8", "replace").splitlines()
    events = [line[5:].strip() for line in lines if line.startswith("data:")]
    return sum(1 for event in events if _is_part(event)), _DONE in events


def _is_part(event: str) -> bool:
    try:
        return bool(msgspec.json.decode(event, type=_Answered).choices)
    except (msgspec.DecodeError, RecursionError):
        return False


def other_bases(endpoint: Endpoint) -> list[str]:
    """Base URLs that may be meant, the likeliest first."""
    root = endpoint.url.removesuffix(urlsplit(endpoint.url).path)
    base = endpoint.url
    for copied in _COPIED:
        base = base.removesuffix(copied)
    single = base
    while single.endswith(_VERSION * 2):
        single = single.removesuffix(_VERSION)
    candidates = [base, single]
    if not base.endswith(_VERSION):
        candidates.append(base + _VERSION)
    candidates.append(root + _VERSION)
    return [each for each in dict.fromkeys(candidates) if each != endpoint.url]


def redirect_target(answer: Answer) -> tuple[str, str | None]:
    """Where a redirect points, without what may be secret in it, and the base URL it stands for."""
    try:
        parts = urlsplit(urljoin(answer.url, answer.target or ""))
        port = parts.port
    except ValueError:
        return "an address that is none", None
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port is not None else ""
    plain = urlunsplit((parts.scheme, place, parts.path, "", "")).rstrip("/")
    is_base = parts.scheme in {"http", "https"} and plain.endswith(MODELS_PATH)
    return plain, plain.removesuffix(MODELS_PATH) if is_base else None


def nearest_name(identifier: str, known: Iterable[str]) -> str | None:
    """The name in the list that was most likely meant; the only one there is, in any case.

    The real system writes a way of talking before the name, and the folder of a model's maker is
    often left out, or put before it.
    """
    names = [each for each in known if len(each) <= MAX_COMPARED_CHARS][:MAX_COMPARED]
    if len(names) == 1:
        return names[0]
    folded = {each.casefold(): each for each in reversed(names)}
    wanted = identifier[:MAX_COMPARED_CHARS].casefold()
    if wanted in folded:
        return folded[wanted]
    for text in (wanted, wanted.partition("/")[2], wanted.rpartition("/")[2]):
        by_end = [each for each in folded if text and each.rpartition("/")[2] == text]
        close = by_end or (get_close_matches(text, folded, n=1, cutoff=_CLOSE) if text else [])
        if close:
            return folded[close[0]]
    return None
