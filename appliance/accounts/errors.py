"""What can go wrong with users and their credentials."""

from appliance.errors import ApplianceError, ForbiddenError


class UnauthorizedError(ApplianceError):
    """No credential, or none that is good; the reason is for the log alone."""

    code = "unauthorized"

    def __init__(self, reason: str) -> None:
        super().__init__("401 Unauthorized")
        self.reason = reason


class InsufficientScopeError(ForbiddenError):
    """The personal access token is good, but not for this."""

    code = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__(
            "The request requires higher privileges than provided by the access token."
        )


class AdminNeededError(ForbiddenError):
    """Only an admin may do this."""

    code = "admin_needed"

    def __init__(self) -> None:
        super().__init__("403 Forbidden")


class UserBlockedError(ApplianceError):
    """The user is blocked."""

    code = "user_blocked"

    def __init__(self) -> None:
        super().__init__("403 Forbidden - Your account has been blocked.")


class TakenError(ApplianceError):
    """Another user has that username or email."""

    code = "already_taken"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field.capitalize()} has already been taken")


class LastAdminError(ApplianceError):
    """Nobody would be left to administer the instance."""

    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("The last active admin cannot be deleted, blocked or demoted.")
