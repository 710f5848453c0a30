"""The lock as data: which packets of the edge bridge may pass, and how one found differs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# A Linux interface name is at most 15 bytes; what else it holds must also be fit for a table name.
BRIDGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")

# Before the rules of the container engine and of most firewalls, which are at 0: what they accept
# can still be dropped here, and what is accepted here can still be dropped by them.
PRIORITY = -10


class Hook(StrEnum):
    """Where the kernel asks: packets for this machine itself, and packets that only pass it."""

    INPUT = "input"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to packets that came in from `bridge`.

    `answers_only` restricts it to packets that answer a connection from outside, or report an error
    of one. What a container itself began never matches, whether or not it was let through before.
    """

    bridge: str
    answers_only: bool
    accepts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The rules of one hook; a packet that none of them decides passes.

    None stands for a rule that was found there and is none of ours.
    """

    hook: Hook
    rules: tuple[Rule | None, ...]
    priority: int = PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One table with all of its chains, and the rules that each of them has."""

    table: str
    chains: tuple[Chain, ...]
    rules: tuple[Rule, ...]


class BridgeNameError(ValueError):
    """No name that a bridge can have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot name a bridge: 1 to 15 letters, digits, '.', '_' or '-'."
        )


def lock_of(bridge: str) -> Lock:
    """The lock of one bridge.

    Raises:
        BridgeNameError: it is no name of an interface.
    """
    if not BRIDGE.fullmatch(bridge):
        raise BridgeNameError(bridge)
    rules = (
        Rule(bridge=bridge, answers_only=True, accepts=True),
        Rule(bridge=bridge, answers_only=False, accepts=False),
    )
    return Lock(
        table="casemate_" + re.sub(r"[.-]", "_", bridge),
        chains=tuple(Chain(hook=hook, rules=rules) for hook in Hook),
        rules=rules,
    )


def difference(wanted: Lock, found: Sequence[Chain]) -> str | None:
    """Why what was found is not the lock, as a sentence; None when it is."""
    if not found:
        return "There is no lock."
    by_hook = {chain.hook: chain for chain in found}
    for chain in wanted.chains:
        if chain.hook not in by_hook:
            return f"The lock lacks its chain for {chain.hook}."
        if by_hook[chain.hook] != chain:
            return f"The lock's chain for {chain.hook} was changed."
    return None
