"""Speaks to the kernel's packet filter: puts a lock, reads it back, takes it away."""

import errno
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_REQUEST,
    NetlinkError,
)
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg
from pyroute2.netlink.nfnetlink import nftsocket as nft
from pyroute2.nftables.expressions import genex, verdict

from install.lockdown.rules import Chain, Hook, Lock, Rule

# From the kernel's headers linux/netfilter.h, nfnetlink.h and nf_tables.h.
INET = 1
DROP, ACCEPT = 0, 1
BATCH_BEGIN, BATCH_END = 0x10, 0x11
HOOKS = {Hook.INPUT: 1, Hook.FORWARD: 2}
NAME_BYTES = 16
CT_STATE, CT_DIRECTION = 0, 1
ESTABLISHED_OR_RELATED = (2 | 4).to_bytes(4, sys.byteorder)
NOTHING = bytes(4)
FROM_THE_ANSWERER = b"\x01"
# Newer kernels name the kind of bitwise step, older ones know only ours.
ADDED_BY_THE_KERNEL = {"NFTA_BITWISE_OP"}

# The library has no types.
Message = Any
Expression = Any


class FilterError(Exception):
    """The kernel refused; `reason` is fit for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The packet filter cannot be used: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A lock as the kernel has it; `dropped` counts packets since it was put, by hook."""

    chains: tuple[Chain, ...]
    dropped: dict[Hook, int]


class PacketFilter:
    """One netlink socket, which speaks of the network that this process runs in."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    @classmethod
    def open(cls) -> Self:
        """Speaks to the kernel."""
        return cls(nft.NFTSocket(nfgen_family=INET))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def put(self, lock: Lock) -> None:
        """Puts the lock in one step; one of the same name is replaced without a moment between.

        Raises:
            FilterError: nothing was changed.
        """
        table = _table(lock.table)
        # A table must be there to be deleted: making it first makes that true.
        batch = [table(nft.NFT_MSG_NEWTABLE), table(nft.NFT_MSG_DELTABLE)]
        batch.append(table(nft.NFT_MSG_NEWTABLE))
        for chain in lock.chains:
            batch.append(_chain(lock.table, chain))
            batch += [_rule(lock.table, chain.hook, rule) for rule in lock.rules]
        self._commit(batch)

    def remove(self, table: str) -> None:
        """Takes the table away; no matter whether it is there.

        Raises:
            FilterError: nothing was changed.
        """
        message = _table(table)
        self._commit([message(nft.NFT_MSG_NEWTABLE), message(nft.NFT_MSG_DELTABLE)])

    def read(self, lock: Lock) -> Found:
        """What is there of the table of `lock`.

        Raises:
            FilterError: the kernel does not answer.
        """
        table, known = lock.table, {_form(_as_sent(rule)): rule for rule in lock.rules}
        chains = self._dump(nft.nft_chain_msg, nft.NFT_MSG_GETCHAIN, table)
        rules = self._dump(nft.nft_rule_msg, nft.NFT_MSG_GETRULE, table)
        found, dropped = [], {}
        for chain in chains:
            if (hook := _hook_of(chain)) is None:
                continue
            name = chain.get_attr("NFTA_CHAIN_NAME")
            steps = [
                rule.get_attr("NFTA_RULE_EXPRESSIONS") or ()
                for rule in rules
                if rule.get_attr("NFTA_RULE_CHAIN") == name
            ]
            place = chain.get_attr("NFTA_CHAIN_HOOK")
            found.append(
                Chain(
                    hook=hook,
                    rules=tuple(known.get(_form(one)) for one in steps),
                    priority=place.get_attr("NFTA_HOOK_PRIORITY"),
                )
            )
            dropped[hook] = sum(_counted(one) for one in steps)
        return Found(chains=tuple(found), dropped=dropped)

    def _commit(self, messages: Iterable[Message]) -> None:
        batch = [_edge(BATCH_BEGIN), *messages, _edge(BATCH_END)]
        try:
            tuple(self._socket.nlm_request_batch(batch))
        except NetlinkError as cause:
            raise FilterError(_reason(cause)) from cause

    def _dump(self, kind: Any, command: int, table: str) -> list[Message]:
        try:
            answers = self._socket.request_get(kind(), command)
        except NetlinkError as cause:
            raise FilterError(_reason(cause)) from cause
        return [answer for answer in answers if answer.get_attr(kind.prefix + "TABLE") == table]


def _reason(error: NetlinkError) -> str:
    if error.code == errno.EPERM:
        return "the capability NET_ADMIN is missing."
    if error.code in {errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.ENOENT}:
        return "this kernel has no nf_tables with the family inet and connection tracking."
    return f"{error}."


def _edge(kind: int) -> Message:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message


def _message(
    kind: Any, command: int, attributes: Sequence[tuple[str, Any]], *, flags: int = 0
) -> Message:
    message = kind()
    message["attrs"] = list(attributes)
    message["header"]["type"] = NFNL_SUBSYS_NFTABLES << 8 | command
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    message["nfgen_family"] = INET
    return message


def _table(name: str) -> Any:
    def message(command: int) -> Message:
        flags = NLM_F_CREATE if command == nft.NFT_MSG_NEWTABLE else 0
        return _message(nft.nft_table_msg, command, [("NFTA_TABLE_NAME", name)], flags=flags)

    return message


def _chain(table: str, chain: Chain) -> Message:
    hook = [("NFTA_HOOK_HOOKNUM", HOOKS[chain.hook]), ("NFTA_HOOK_PRIORITY", chain.priority)]
    attributes = [
        ("NFTA_CHAIN_TABLE", table),
        ("NFTA_CHAIN_NAME", chain.hook.value),
        ("NFTA_CHAIN_HOOK", {"attrs": hook}),
        ("NFTA_CHAIN_TYPE", "filter"),
        ("NFTA_CHAIN_POLICY", ACCEPT),
    ]
    return _message(nft.nft_chain_msg, nft.NFT_MSG_NEWCHAIN, attributes, flags=NLM_F_CREATE)


def _rule(table: str, hook: Hook, rule: Rule) -> Message:
    attributes = [
        ("NFTA_RULE_TABLE", table),
        ("NFTA_RULE_CHAIN", hook.value),
        ("NFTA_RULE_EXPRESSIONS", expressions(rule)),
    ]
    flags = NLM_F_CREATE | NLM_F_APPEND
    return _message(nft.nft_rule_msg, nft.NFT_MSG_NEWRULE, attributes, flags=flags)


def expressions(rule: Rule) -> list[Expression]:
    """The rule in the packet filter's own small steps: load something, compare it, decide."""
    name = rule.bridge.encode().ljust(NAME_BYTES, b"\0")
    steps = [_load("meta", nft.Meta.NFT_META_IIFNAME), _compare(name)]
    if rule.answers_only:
        steps += [
            _load("ct", CT_STATE),
            _mask(ESTABLISHED_OR_RELATED),
            _compare(NOTHING, differs=True),
        ]
        steps += [_load("ct", CT_DIRECTION), _compare(FROM_THE_ANSWERER)]
    if not rule.accepts:
        steps.append(genex("counter", {"bytes": 0, "packets": 0}))
    return [*steps, *verdict(ACCEPT if rule.accepts else DROP)]


def _load(kind: str, key: int) -> Expression:
    return genex(kind, {"dreg": 1, "key": int(key)})


def _compare(data: bytes, *, differs: bool = False) -> Expression:
    return genex("cmp", {"sreg": 1, "op": int(differs), "data": _data(data)})


def _mask(data: bytes) -> Expression:
    fields = {"sreg": 1, "dreg": 1, "len": 4, "mask": _data(data), "xor": _data(NOTHING)}
    return genex("bitwise", fields)


def _data(value: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", value)]}


def _hook_of(message: Message) -> Hook | None:
    """Where a chain is asked; None for one that no packet reaches by itself."""
    place = message.get_attr("NFTA_CHAIN_HOOK")
    if place is None:
        return None
    number = place.get_attr("NFTA_HOOK_HOOKNUM")
    return next((hook for hook, known in HOOKS.items() if known == number), None)


def _as_sent(rule: Rule) -> Sequence[Expression]:
    """The rule's steps the way the library decodes them."""
    message = _rule("", Hook.INPUT, rule)
    message.encode()
    decoded = nft.nft_rule_msg(message.data)
    decoded.decode()
    steps: Sequence[Expression] = decoded.get_attr("NFTA_RULE_EXPRESSIONS")
    return steps


def _form(steps: Sequence[Expression]) -> str:
    """One text for the same steps, whoever sent them; what a counter counted is left out."""
    return repr([_plain(step) for step in steps])


def _plain(value: Any) -> Any:
    if not isinstance(value, dict) or "attrs" not in value:
        return value
    return sorted(
        (name, _plain(inner))
        for name, inner in value["attrs"]
        if not name.startswith("NFTA_COUNTER_") and name not in ADDED_BY_THE_KERNEL
    )


def _counted(steps: Sequence[Expression]) -> int:
    return sum(
        step.get_attr("NFTA_EXPR_DATA").get_attr("NFTA_COUNTER_PACKETS")
        for step in steps
        if step.get_attr("NFTA_EXPR_NAME") == "counter"
    )
