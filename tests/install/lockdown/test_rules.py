from dataclasses import replace

import pytest

from install.lockdown.rules import BridgeNameError, Chain, Hook, difference, lock_of


def test_a_lock_lets_answers_through_and_drops_the_rest_on_both_ways() -> None:
    lock = lock_of("casemate-edge")
    assert lock.table == "casemate_casemate_edge"
    assert [chain.hook for chain in lock.chains] == [Hook.INPUT, Hook.FORWARD]
    for chain in lock.chains:
        answers, rest = chain.rules
        assert answers is not None
        assert rest is not None
        assert (answers.answers_only, answers.accepts) == (True, True)
        assert (rest.answers_only, rest.accepts) == (False, False)
        assert {answers.bridge, rest.bridge} == {"casemate-edge"}


def test_two_bridges_have_two_tables() -> None:
    assert lock_of("br-1").table != lock_of("br-2").table


@pytest.mark.parametrize("name", ["", "sixteen-letters-", "a b", "a;b", "-a", "br*", "b\n"])
def test_what_names_no_bridge_is_refused(name: str) -> None:
    with pytest.raises(BridgeNameError, match="cannot name a bridge"):
        lock_of(name)


def test_a_whole_lock_does_not_differ() -> None:
    lock = lock_of("br-1")
    assert difference(lock, lock.chains) is None
    assert difference(lock, lock.chains[::-1]) is None


def test_what_is_missing_or_changed_is_said() -> None:
    lock = lock_of("br-1")
    first, second = lock.chains
    assert difference(lock, ()) == "There is no lock."
    assert difference(lock, (second,)) == "The lock lacks its chain for input."
    changed: tuple[Chain, ...] = (
        replace(first, rules=first.rules[1:]),
        replace(first, rules=(None, *first.rules)),
        replace(first, rules=first.rules[::-1]),
        replace(first, priority=5),
    )
    for chain in changed:
        assert difference(lock, (chain, second)) == "The lock's chain for input was changed."
