"""What can go wrong with projects and with what lies in them."""

from appliance.errors import ConflictError


class ProjectTakenError(ConflictError):
    """Another project, or a group, has that full path; case makes no difference."""

    code = "already_taken"

    def __init__(self) -> None:
        super().__init__("Path has already been taken")


class StateUnfitError(ConflictError):
    """A merge request cannot become what is asked for from what it is."""

    code = "state_unfit"

    def __init__(self, *, state: str, wanted: str) -> None:
        super().__init__(f"This merge request is {state}; it cannot {wanted}.")
        self.state = state
        self.wanted = wanted


class TooManyNotesError(ConflictError):
    """As much has been said on a thing as an action can read."""

    code = "too_many_notes"

    def __init__(self, *, most: int, most_chars: int) -> None:
        super().__init__(
            f"Nothing more can be said here: there may be {most} notes, with {most_chars} "
            "characters together."
        )
        self.most = most
        self.most_chars = most_chars
