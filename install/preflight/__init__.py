"""What must be true of a machine before anything is put on it, and how far it is."""

from install.preflight.machine import (
    check,
    check_kind,
    find_device,
    free_memory,
    gather,
    problems,
    why_not,
)

__all__ = [
    "check",
    "check_kind",
    "find_device",
    "free_memory",
    "gather",
    "problems",
    "why_not",
]
