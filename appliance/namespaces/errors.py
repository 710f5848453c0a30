"""What can go wrong with groups and their members."""

from appliance.errors import ConflictError, ForbiddenError


class PathTakenError(ConflictError):
    """Another group has that full path; case makes no difference."""

    code = "already_taken"

    def __init__(self) -> None:
        super().__init__("Path has already been taken")


class MemberExistsError(ConflictError):
    """The user is a member already."""

    code = "member_exists"

    def __init__(self) -> None:
        super().__init__("Member already exists")


class NamespaceNotEmptyError(ConflictError):
    """Something still belongs to the group."""

    code = "group_not_empty"

    def __init__(self) -> None:
        super().__init__(
            "The group still has subgroups, projects or purchases; remove or move them first."
        )


class OwnsPurchasesError(ConflictError):
    """What a root group owns would belong to a group that is none."""

    code = "group_owns_purchases"

    def __init__(self) -> None:
        super().__init__(
            "The group owns purchases, and only a root group can; remove the licences that were "
            "issued to it, or move the groups below it instead."
        )


class LastOwnerError(ConflictError):
    """Nobody would be left to look after a root group."""

    code = "last_owner"

    def __init__(self) -> None:
        super().__init__(
            "A root group needs an owner whose membership does not end; make another one first."
        )


class AccessLevelNeededError(ForbiddenError):
    """The caller knows the group, but their role in it does not reach."""

    code = "access_level_needed"

    def __init__(self, level: str) -> None:
        super().__init__(f"403 Forbidden - this needs the role {level} in the group.")
