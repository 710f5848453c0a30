"""What a group is, who may see and change it, and what its path must look like."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Literal, get_args

from appliance.accounts.rules import User
from appliance.errors import InvalidFieldsError
from appliance.namespaces.errors import AccessLevelNeededError

Visibility = Literal["private", "internal", "public"]
# From the narrowest to the widest; "public" is for all who are signed in, like "internal".
VISIBILITIES: Sequence[Visibility] = get_args(Visibility)
DEFAULT_VISIBILITY: Visibility = "private"

MAX_DEPTH = 20
MAX_NAME_CHARS = 255
MAX_DESCRIPTION_CHARS = 2000
# PostgreSQL cannot index a text of more than 2,704 bytes.
MAX_FULL_PATH_CHARS = 2000
PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}")
NUMBER = re.compile(r"[0-9]{1,10}")
FORBIDDEN_ENDINGS = (".", ".git", ".atom")
# Where a root group would stand in the way of an address of the instance itself.
RESERVED_ROOTS = frozenset(
    ("-", ".well-known", "admin", "api", "assets", "groups", "health", "help", "login")
) | {"oauth", "projects", "public", "search", "static", "uploads", "users", "v1", "v2"}


class AccessLevel(IntEnum):
    """A role in a group; each may do what the lower ones may."""

    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A group; `ancestry` has the ids from the root's down to its own, a root's depth is 1."""

    id: int
    parent_id: int | None
    root_id: int
    ancestry: tuple[int, ...]
    depth: int
    name: str
    path: str
    full_path: str
    description: str
    visibility: Visibility
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user's role in a group and those below; it no longer holds on `expires_on` (UTC)."""

    user_id: int
    namespace_id: int
    access_level: AccessLevel
    expires_on: date | None = None

    def is_lasting_owner(self) -> bool:
        """Whether it looks after the group for as long as nobody changes it."""
        return self.access_level is AccessLevel.OWNER and self.expires_on is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user with the role they have."""

    user: User
    membership: Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """A wish for a group; without `parent_id` it is a root."""

    name: str
    path: str
    parent_id: int | None = None
    description: str = ""
    visibility: Visibility = DEFAULT_VISIBILITY


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """What to change of a group; None leaves a thing as it is."""

    name: str | None = None
    path: str | None = None
    description: str | None = None
    visibility: Visibility | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What a move changes of who has a role: in which groups above some lose or gain one.

    `is_to_another_tree`: what the root group owns is granted to others than before.
    """

    left: frozenset[int]
    joined: frozenset[int]
    is_to_another_tree: bool


def shift(before: Namespace, after: Namespace) -> Shift:
    """What the move of a group changes for those in the groups above it."""
    was, now = frozenset(before.ancestry), frozenset(after.ancestry)
    return Shift(
        left=was - now, joined=now - was, is_to_another_tree=before.root_id != after.root_id
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How groups are listed; `path` is the full one."""

    by: Literal["name", "path", "id"] = "path"
    is_descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    """Which of the groups that a user may see are asked for.

    With `least_level` only those in which they have that role themselves, from above too, or a
    higher one; an admin has none for being one. `parent` is the group right above, `within` any.
    """

    search: str | None = None
    top_level_only: bool = False
    parent: Namespace | None = None
    within: Namespace | None = None
    least_level: AccessLevel | None = None
    visibility: Visibility | None = None
    without: frozenset[int] = frozenset()
    order: Order = Order()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFilter:
    """Which members are asked for; `search` is in a name or username, `among` None: all."""

    search: str | None = None
    among: frozenset[int] | None = None
    without: frozenset[int] = frozenset()


EVERY_MEMBER = MemberFilter()


def check_names(name: str | None, path: str | None, description: str | None) -> None:
    """Passes when what is given of a group or a project can be used.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    checks = {
        "name": _problem_of_name(name),
        "path": _problem_of_path(path),
        "description": _problem_of_description(description),
    }
    problems = {field: problem for field, problem in checks.items() if problem is not None}
    if problems:
        raise InvalidFieldsError(problems)


def _problem_of_name(name: str | None) -> str | None:
    if name is None or (name.strip() and len(name) <= MAX_NAME_CHARS and name.isprintable()):
        return None
    return f"must be 1 to {MAX_NAME_CHARS} printable characters"


def _problem_of_path(path: str | None) -> str | None:
    if path is None or (PATH.fullmatch(path) and not path.lower().endswith(FORBIDDEN_ENDINGS)):
        return None
    return (
        "must be 1 to 255 letters, digits, '_', '-' or '.', not begin with '-', "
        "and not end in '.', '.git' or '.atom'"
    )


def _problem_of_description(description: str | None) -> str | None:
    if description is None or (
        len(description) <= MAX_DESCRIPTION_CHARS and "\0" not in description
    ):
        return None
    return f"must be at most {MAX_DESCRIPTION_CHARS} characters"


def full_path(path: str, *, parent: Namespace | None) -> str:
    """Where a group or a project of that path lies.

    Raises:
        InvalidFieldsError: too long, or the instance needs that address itself.
    """
    if parent is None:
        if path.lower() in RESERVED_ROOTS:
            raise InvalidFieldsError({"path": "is reserved"})
        return path
    joined = f"{parent.full_path}/{path}"
    if len(joined) > MAX_FULL_PATH_CHARS:
        raise InvalidFieldsError({"path": "makes too long an address with the groups above it"})
    return joined


def check_place(parent: Namespace | None, *, levels: int = 1, field: str = "parent_id") -> None:
    """Passes when a group may lie there, which with all below it is so many levels high.

    Raises:
        InvalidFieldsError: something would lie too deep.
    """
    above = 0 if parent is None else parent.depth
    if above + levels > MAX_DEPTH:
        raise InvalidFieldsError({field: f"groups can be nested {MAX_DEPTH} deep at most"})


def check_move(namespace: Namespace, parent: Namespace | None, *, levels: int) -> None:
    """Passes when a group may be put there, which with all below it is so many levels high.

    Raises:
        InvalidFieldsError: it lies there already, or in a circle or too deep afterwards, or would
            be seen by more people than the group above.
    """
    if namespace.parent_id == (None if parent is None else parent.id):
        raise InvalidFieldsError({"group_id": "is where the group lies already"})
    if parent is None:
        return
    if namespace.id in parent.ancestry:
        raise InvalidFieldsError({"group_id": "must not be the group itself or one below it"})
    check_place(parent, levels=levels, field="group_id")
    check_visibility(namespace.visibility, above=parent.visibility, below=())


def check_full_path(longest: int) -> None:
    """Passes when the longest address of what lies in a group can be kept.

    Raises:
        InvalidFieldsError: it cannot.
    """
    if longest > MAX_FULL_PATH_CHARS:
        raise InvalidFieldsError({"path": "makes too long an address of something below"})


def check_visibility(
    visibility: Visibility, *, above: Visibility | None, below: Iterable[Visibility]
) -> None:
    """Passes when nothing is seen by more people than what it lies in.

    Raises:
        InvalidFieldsError: wider than the group above, or narrower than something below.
    """
    rank = VISIBILITIES.index(visibility)
    if above is not None and rank > VISIBILITIES.index(above):
        raise InvalidFieldsError({"visibility": f"cannot be wider than that above it, {above}"})
    if any(VISIBILITIES.index(each) > rank for each in below):
        raise InvalidFieldsError({"visibility": "cannot be narrower than something below it"})


def effective_level(
    user: User, memberships: Iterable[Membership], *, today: date
) -> AccessLevel | None:
    """The highest role among the memberships, which are the user's own, over a group's chain."""
    if user.is_admin:
        return AccessLevel.OWNER
    levels = [
        each.access_level
        for each in memberships
        if each.expires_on is None or today < each.expires_on
    ]
    return max(levels, default=None)


def is_visible(visibility: Visibility, level: AccessLevel | None) -> bool:
    """Whether who has that role, if any, may know of it; they are signed in."""
    return level is not None or visibility != "private"


def check_level(level: AccessLevel | None, needed: AccessLevel) -> None:
    """Passes when the role reaches.

    Raises:
        AccessLevelNeededError: it does not.
    """
    if level is None or level < needed:
        raise AccessLevelNeededError(needed.name.lower())


def check_expiry(expires_on: date | None, *, today: date) -> None:
    """Passes when a membership may end then.

    Raises:
        InvalidFieldsError: the day is not in the future.
    """
    if expires_on is not None and expires_on <= today:
        raise InvalidFieldsError({"expires_at": "must be a day in the future"})


def parse_reference(text: str) -> int | str:
    """What a client names a group or project by: its number, or else its full path."""
    return int(text) if NUMBER.fullmatch(text) else text
