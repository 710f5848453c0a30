"""Names a model by a ref when who registers it gives only a name."""

import re
from collections.abc import Collection, Iterator
from itertools import count

from gateway.contract.selection import DEFAULT_MODEL, ref_key

# Leaves room for a number behind it.
MAX_CHARS = 240
OTHERWISE = "model"
SEPARATORS = re.compile(r"[^a-z0-9.]+")


def fresh_ref(name: str, taken: Collection[str]) -> str:
    """A ref like the name that none of the refs `taken` clashes with."""
    plain = SEPARATORS.sub("-", name.casefold())[:MAX_CHARS].strip("-.") or OTHERWISE
    keys = {ref_key(DEFAULT_MODEL), *map(ref_key, taken)}
    return next(each for each in _candidates(plain) if ref_key(each) not in keys)


def _candidates(plain: str) -> Iterator[str]:
    yield plain
    yield from (f"{plain}-{number}" for number in count(2))
