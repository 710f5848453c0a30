"""Reads the heads of safetensors files, and passes those that are whole."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from install.importing.errors import WeightsRefusedError

# Eight bytes of length, then that much JSON; the format bounds the head at 100 MB.
LENGTH = struct.Struct("<Q")
MAX_HEAD_BYTES = 100_000_000
# What reading JSON of any kind for what it should hold may raise.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
INDEX = "model.safetensors.index.json"
# In bits; F4 and F6 are smaller than a byte.
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """What one file holds: bytes of weights, and how many numbers."""

    weights_bytes: int
    parameters: int


def read(path: Path, name: str) -> Tensors:
    """Reads one file's head; `name` is what a person calls it.

    Raises:
        WeightsRefusedError: it is no such file, cut short, or its tensors do not add up to it.
    """
    try:
        head, begins_at = _head(path)
        spans = sorted(_span(tensor) for key, tensor in head.items() if key != "__metadata__")
    except (*UNREADABLE, struct.error) as cause:
        sentence = f"{name} is not a safetensors file."
        raise WeightsRefusedError(sentence) from cause
    ends = [0, *(end for _, end, _ in spans)]
    begins = [*(begin for begin, _, _ in spans), ends[-1]]
    if begins != ends or path.stat().st_size != begins_at + ends[-1]:
        sentence = f"{name} was cut short or added to: its tensors do not add up to its size."
        raise WeightsRefusedError(sentence)
    return Tensors(weights_bytes=ends[-1], parameters=sum(count for _, _, count in spans))


def _head(path: Path) -> tuple[Mapping[str, Any], int]:
    with path.open("rb") as file:
        (length,) = LENGTH.unpack(file.read(LENGTH.size))
        if length > MAX_HEAD_BYTES:
            raise ValueError
        return json.loads(file.read(length)), LENGTH.size + length


def _span(tensor: Mapping[str, Any]) -> tuple[int, int, int]:
    """(begin, end, elements) of one tensor, which is as long as its shape says."""
    begin, end = tensor["data_offsets"]
    shape = tensor["shape"]
    if any(type(each) is not int or each < 0 for each in (begin, end, *shape)):
        raise ValueError
    elements = prod(shape)
    bits = BITS.get(tensor["dtype"])
    room = (end - begin) * 8
    # A kind of number that came after this program has at least one bit.
    if room < 0 or (room != elements * bits if bits is not None else room < elements):
        raise ValueError
    return begin, end, elements


def check_placed(found: Mapping[str, Path]) -> None:
    """Passes when the list of which tensor is in which file, if there is one, names files here.

    Raises:
        WeightsRefusedError: it does not, or cannot be read.
    """
    if INDEX not in found:
        return
    try:
        placed = _placed(found[INDEX])
    except UNREADABLE as cause:
        sentence = f"{INDEX} cannot be read."
        raise WeightsRefusedError(sentence) from cause
    missing = sorted(str(each) for each in placed if each not in found)
    if missing:
        sentence = f"{missing[0]} is missing: {INDEX} names it."
        raise WeightsRefusedError(sentence)


def _placed(path: Path) -> set[object]:
    """The files that the list names; it tells no more of each tensor than their own heads do."""
    if path.stat().st_size > MAX_HEAD_BYTES:
        raise ValueError
    return set(json.loads(path.read_bytes())["weight_map"].values())
