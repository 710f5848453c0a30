from gateway.contract.selection import Choice, Group
from gateway.issuer.feed.groups import Groups

CHAT, CODE = Choice("duo_chat", "a"), Choice("code_completions", "b")


def test_a_choice_is_found_by_its_feature_and_group() -> None:
    groups = Groups([Group(1), Group(2, 1, (CHAT, CODE))])
    assert groups.chosen("duo_chat") == {2: CHAT}
    assert groups.chosen("code_completions") == {2: CODE}
    assert not groups.chosen("refactor_code")
    assert groups.find(2) == Group(2, 1, (CHAT, CODE))
    assert groups.find(3) is None


def test_what_is_put_again_takes_the_place_of_what_was() -> None:
    groups = Groups([Group(1), Group(2, 1, (CHAT,)), Group(3, None, (CHAT,))])
    groups.put([Group(2, None, (CODE,))])
    assert groups.chosen("duo_chat") == {3: CHAT}
    assert groups.chosen("code_completions") == {2: CODE}
    assert groups.everything() == (Group(1), Group(2, None, (CODE,)), Group(3, None, (CHAT,)))


def test_what_is_removed_has_chosen_nothing() -> None:
    groups = Groups([Group(1), Group(2, 1, (CHAT,))])
    groups.remove([2, 7])
    assert not groups.chosen("duo_chat")
    assert groups.find(2) is None
    assert len(groups) == 1


def test_choices_of_one_feature_twice_are_forgotten_together() -> None:
    groups = Groups([Group(1, None, (CHAT, Choice("duo_chat", "b")))])
    groups.remove([1])
    assert not groups.chosen("duo_chat")
