import pytest

from appliance.fields.global_ids import (
    GlobalIdInvalidError,
    format_global_id,
    parse_global_id,
    parse_number_or_global_id,
)
from appliance.storage.engine import MAX_ID

KINDS = ("Group", "Namespace")


def test_what_is_formatted_is_parsed() -> None:
    assert format_global_id("Ai::SelfHostedModel", 7) == "gid://gitlab/Ai::SelfHostedModel/7"
    assert parse_global_id("gid://gitlab/Ai::SelfHostedModel/7", ["Ai::SelfHostedModel"]) == 7
    assert parse_global_id("gid://gitlab/Namespace/12", KINDS) == 12
    assert parse_global_id(format_global_id("Group", MAX_ID), KINDS) == MAX_ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        7,
        None,
        ["gid://gitlab/Group/7"],
        "gid://gitlab/User/7",
        "gid://gitlab/Group/07",
        "gid://gitlab/Group/0",
        "gid://gitlab/Group/-1",
        "gid://gitlab/Group/\u0667",
        "gid://gitlab/Group/7 ",
        "gid://gitlab/Group/7\n",
        "gid://elsewhere/Group/7",
        "GID://gitlab/Group/7",
        f"gid://gitlab/Group/{MAX_ID + 1}",
        "gid://gitlab/Group/99999999999",
    ],
)
def test_what_is_no_id_of_the_kind_is_refused(text: object) -> None:
    with pytest.raises(GlobalIdInvalidError, match="gid://gitlab/Group/NUMBER"):
        parse_global_id(text, KINDS)


@pytest.mark.parametrize("text", ["7", "gid://gitlab/Group/7", "gid://gitlab/Namespace/7"])
def test_a_number_alone_may_be_enough(text: str) -> None:
    assert parse_number_or_global_id(text, KINDS) == 7


@pytest.mark.parametrize(
    "text", ["", "0", "07", "-7", "7.0", "\u0667", str(MAX_ID + 1), "lab", "7\n"]
)
def test_what_is_neither_number_nor_id_is_refused(text: str) -> None:
    with pytest.raises(GlobalIdInvalidError, match="gid://gitlab/Group/NUMBER"):
        parse_number_or_global_id(text, KINDS)
