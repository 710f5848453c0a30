"""What a user may do in a project, which their role in the project's group decides."""

from collections.abc import Collection
from dataclasses import dataclass

from appliance.accounts.rules import User
from appliance.namespaces.errors import AccessLevelNeededError
from appliance.namespaces.rules import AccessLevel
from appliance.resources.rules.projects import Project

SEES_CONFIDENTIAL = AccessLevel.REPORTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project and a user who may know of it; `level` is their role there, if they have one."""

    user: User
    project: Project
    level: AccessLevel | None

    def reaches(self, needed: AccessLevel) -> bool:
        """Whether the user has that role, or a higher one."""
        return self.level is not None and self.level >= needed

    def is_by_user(self, author_id: int | None) -> bool:
        """Whether the user wrote what has that author; None: its author is gone."""
        return author_id == self.user.id

    def check(self, needed: AccessLevel) -> None:
        """Passes when the role reaches.

        Raises:
            AccessLevelNeededError: it does not.
        """
        if not self.reaches(needed):
            raise AccessLevelNeededError(needed.name.lower())

    def check_author_or(self, needed: AccessLevel, *, author_id: int | None) -> None:
        """Passes for the author, and when the role reaches.

        Raises:
            AccessLevelNeededError: neither.
        """
        if not self.is_by_user(author_id):
            self.check(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Of which projects a list may show a user something.

    `groups` are those in which they have a role, `close_groups` those in which it reaches to what
    is confidential; None is for all.
    """

    user_id: int
    groups: Collection[int] | None
    close_groups: Collection[int] | None
