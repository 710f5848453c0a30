"""Whether an endpoint refused a question because it is too long, from what it says of it.

Engines have no code for that in common, only words; those of vLLM, OpenAI, llama.cpp and SGLang are
known here.
"""

import re

from gateway.errors import RefusedByModelError

_WORDS = re.compile(
    r"context[ _](?:length|size|window)|maximum (?:model|input|sequence) length|max_model_len"
    r"|(?:prompt|input|request) (?:is|are) (?:too long|longer than)",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum context length|context length|maximum model length|context size)"
    r"(?: is| of|:)?(?: only)? \(?(\d{1,9})\b",
    re.IGNORECASE,
)


def is_too_long(refusal: RefusedByModelError) -> bool:
    """Whether another try with a shorter question may be taken."""
    return _WORDS.search(refusal.message) is not None


def told_window(refusal: RefusedByModelError) -> int | None:
    """How much the model takes, in tokens, if the refusal says so."""
    found = _LIMIT.search(refusal.message)
    return int(found[1]) or None if found else None
