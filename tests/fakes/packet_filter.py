"""A kernel's packet filter as far as locks go: takes the same messages, answers the same dumps."""

from typing import Any

from pyroute2.netlink import NetlinkError
from pyroute2.netlink.nfnetlink import nftsocket as nft

Message = Any
KINDS = {
    nft.NFT_MSG_NEWTABLE: nft.nft_table_msg,
    nft.NFT_MSG_DELTABLE: nft.nft_table_msg,
    nft.NFT_MSG_NEWCHAIN: nft.nft_chain_msg,
    nft.NFT_MSG_NEWRULE: nft.nft_rule_msg,
}
BATCH_MARKS = (0x10, 0x11)


class FakeKernel:
    """Holds tables, chains and rules as they were sent, in their form on the wire.

    `refusal` is the error number with which it answers everything.
    """

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.chains: list[Message] = []
        self.rules: list[Message] = []
        self.refusal = 0
        self.batches = 0
        self.is_closed = False

    def nlm_request_batch(self, messages: list[Message]) -> list[Message]:
        """Takes over a whole batch or nothing."""
        self._answer()
        assert [messages[0]["header"]["type"], messages[-1]["header"]["type"]] == [*BATCH_MARKS]
        self.batches += 1
        for message in messages[1:-1]:
            self._take(message)
        return []

    def request_get(self, kind: Message, command: int) -> list[Message]:
        """Every chain, or every rule."""
        self._answer()
        assert kind is not None
        return list(self.chains if command == nft.NFT_MSG_GETCHAIN else self.rules)

    def close(self) -> None:
        """Nothing more will be asked."""
        self.is_closed = True

    def forget(self) -> None:
        """What `nft flush ruleset` does."""
        self.tables.clear()
        self.chains.clear()
        self.rules.clear()

    def _answer(self) -> None:
        if self.refusal:
            raise NetlinkError(self.refusal)

    def _take(self, message: Message) -> None:
        command = message["header"]["type"] & 0xFF
        message.encode()
        sent = KINDS[command](message.data)
        sent.decode()
        if command == nft.NFT_MSG_NEWTABLE:
            self.tables.add(sent.get_attr("NFTA_TABLE_NAME"))
        elif command == nft.NFT_MSG_DELTABLE:
            self._delete(sent.get_attr("NFTA_TABLE_NAME"))
        elif command == nft.NFT_MSG_NEWCHAIN:
            assert sent.get_attr("NFTA_CHAIN_TABLE") in self.tables
            self.chains.append(sent)
        else:
            self.rules.append(sent)

    def _delete(self, table: str) -> None:
        self.tables.remove(table)
        self.chains = [one for one in self.chains if one.get_attr("NFTA_CHAIN_TABLE") != table]
        self.rules = [one for one in self.rules if one.get_attr("NFTA_RULE_TABLE") != table]
