import errno
from collections.abc import Iterator

import pytest

from install.lockdown.netlink import FilterError, PacketFilter
from install.lockdown.rules import Hook, difference, lock_of
from tests.fakes.packet_filter import FakeKernel

LOCK = lock_of("casemate-edge")


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def packets(kernel: FakeKernel) -> Iterator[PacketFilter]:
    with PacketFilter(kernel) as opened:
        yield opened
    assert kernel.is_closed


def test_what_was_put_is_read_back_as_the_lock(packets: PacketFilter) -> None:
    packets.put(LOCK)
    found = packets.read(LOCK)
    assert difference(LOCK, found.chains) is None
    assert found.dropped == {Hook.INPUT: 0, Hook.FORWARD: 0}


def test_a_lock_is_replaced_in_one_step(kernel: FakeKernel, packets: PacketFilter) -> None:
    packets.put(LOCK)
    packets.put(LOCK)
    assert kernel.batches == 2
    assert (len(kernel.chains), len(kernel.rules)) == (2, 4)


def test_two_locks_do_not_disturb_each_other(kernel: FakeKernel, packets: PacketFilter) -> None:
    other = lock_of("second-edge")
    packets.put(LOCK)
    packets.put(other)
    packets.remove(LOCK.table)
    assert packets.read(LOCK).chains == ()
    assert difference(other, packets.read(other).chains) is None
    assert kernel.tables == {other.table}


def test_removing_what_is_not_there_is_no_error(packets: PacketFilter) -> None:
    packets.remove(LOCK.table)


def test_a_rule_of_somebody_else_is_seen(kernel: FakeKernel, packets: PacketFilter) -> None:
    packets.put(lock_of("second-edge"))
    strange = kernel.rules[0]
    packets.put(LOCK)
    strange["attrs"][0] = ("NFTA_RULE_TABLE", LOCK.table)
    kernel.rules.insert(0, strange)
    first, second = packets.read(LOCK).chains
    assert first.rules[0] is None
    assert None not in second.rules


def test_a_chain_that_no_packet_reaches_is_none_of_the_locks(
    kernel: FakeKernel, packets: PacketFilter
) -> None:
    packets.put(LOCK)
    for chain in kernel.chains:
        chain["attrs"] = [pair for pair in chain["attrs"] if pair[0] != "NFTA_CHAIN_HOOK"]
    assert packets.read(LOCK).chains == ()


def test_dropped_packets_are_counted_by_hook(kernel: FakeKernel, packets: PacketFilter) -> None:
    packets.put(LOCK)
    counted = {"input": 3, "forward": 4}
    for rule in kernel.rules:
        for step in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
            if step.get_attr("NFTA_EXPR_NAME") == "counter":
                packets_seen = counted[rule.get_attr("NFTA_RULE_CHAIN")]
                step.get_attr("NFTA_EXPR_DATA")["attrs"] = [("NFTA_COUNTER_PACKETS", packets_seen)]
    found = packets.read(LOCK)
    assert found.dropped == {Hook.INPUT: 3, Hook.FORWARD: 4}
    assert difference(LOCK, found.chains) is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EPERM, "NET_ADMIN is missing"),
        (errno.EOPNOTSUPP, "no nf_tables"),
        (errno.EBUSY, "busy"),
    ],
)
def test_a_kernel_that_refuses_is_said_with_its_reason(
    kernel: FakeKernel, packets: PacketFilter, number: int, reason: str
) -> None:
    kernel.refusal = number
    for act in (lambda: packets.put(LOCK), lambda: packets.read(LOCK)):
        with pytest.raises(FilterError, match=f"(?i){reason}"):
            act()


def test_what_is_sent_belongs_to_both_families_and_is_asked_before_the_engines_rules(
    kernel: FakeKernel, packets: PacketFilter
) -> None:
    packets.put(LOCK)
    inet = 1
    assert {message["nfgen_family"] for message in (*kernel.chains, *kernel.rules)} == {inet}
    for chain in kernel.chains:
        assert chain.get_attr("NFTA_CHAIN_HOOK").get_attr("NFTA_HOOK_PRIORITY") < 0
