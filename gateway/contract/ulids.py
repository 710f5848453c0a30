"""Sortable identifiers (https://github.com/ulid/spec), given their time and their randomness."""

import re
from collections.abc import Callable

RANDOM_BYTES = 10
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Ten bits at once: half the steps on the request path.
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))


def make_ulid(now: float, random: Callable[[int], bytes]) -> str:
    """A new one for `now`, seconds since the epoch; `random` gives that many random bytes."""
    milliseconds = int(now * 1000).to_bytes(6, "big")
    number = int.from_bytes(milliseconds + random(RANDOM_BYTES), "big")
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])


def is_ulid(text: str) -> bool:
    """Whether it is one, in the canonical upper case."""
    return ULID.fullmatch(text) is not None
