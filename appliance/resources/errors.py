"""What can go wrong with projects."""

from appliance.errors import ConflictError


class ProjectTakenError(ConflictError):
    """Another project, or a group, has that full path; case makes no difference."""

    code = "already_taken"

    def __init__(self) -> None:
        super().__init__("Path has already been taken")
