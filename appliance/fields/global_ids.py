"""Global ids: the text by which GraphQL names a thing of a kind, such as `gid://gitlab/User/7`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from appliance.errors import ApplianceError
from appliance.storage.engine import MAX_ID

# The prefix is part of the protocol: clients put ids together and take them apart.
PREFIX = "gid://gitlab/"
NUMBER = re.compile(r"[1-9][0-9]{0,9}")
GLOBAL_ID = re.compile(re.escape(PREFIX) + r"([A-Za-z]+(?:::[A-Za-z]+)*)/([1-9][0-9]{0,9})")

UserID = NewType("UserID", int)
NamespaceID = NewType("NamespaceID", int)
GroupID = NewType("GroupID", int)
ProjectID = NewType("ProjectID", int)


class GlobalIdInvalidError(ApplianceError):
    """A text that is no global id, or one of another kind."""

    code = "global_id_invalid"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"This is no global id of the form {PREFIX}{wanted}/NUMBER.")


def format_global_id(kind: str, number: int) -> str:
    """The global id of one thing."""
    return f"{PREFIX}{kind}/{number}"


def parse_global_id(text: object, kinds: Sequence[str]) -> int:
    """The number in a global id of one of `kinds`.

    Raises:
        GlobalIdInvalidError: it is none, or of another kind, or of a number that cannot be.
    """
    match = GLOBAL_ID.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[1] not in kinds or int(match[2]) > MAX_ID:
        raise GlobalIdInvalidError(kinds[0])
    return int(match[2])


def parse_number_or_global_id(text: str, kinds: Sequence[str]) -> int:
    """The same, or the number by itself.

    Raises:
        GlobalIdInvalidError: it is neither.
    """
    alone = NUMBER.fullmatch(text) is not None
    return parse_global_id(format_global_id(kinds[0], int(text)) if alone else text, kinds)


def global_id_scalar(name: str, *kinds: str) -> ScalarDefinition:
    """The GraphQL type of ids of `kinds`; an id that is answered is of the first."""

    def parse(value: Any) -> int:
        return parse_global_id(value, kinds)

    return strawberry.scalar(
        name=name,
        description=f"A global id such as {format_global_id(kinds[0], 1)}",
        serialize=lambda number: format_global_id(kinds[0], number),
        parse_value=parse,
    )


# The ids that more than one concept speaks of.
scalars: Mapping[object, ScalarDefinition] = {
    UserID: global_id_scalar("UserID", "User"),
    NamespaceID: global_id_scalar("NamespaceID", "Group", "Namespace"),
    GroupID: global_id_scalar("GroupID", "Group", "Namespace"),
    ProjectID: global_id_scalar("ProjectID", "Project"),
}
