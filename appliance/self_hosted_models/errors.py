"""What can go wrong with a self-hosted model's registration."""

from appliance.errors import ApplianceError


class RefTakenError(ApplianceError):
    """Another model has that ref, but for case and separators."""

    code = "already_taken"

    def __init__(self) -> None:
        super().__init__("Ref has already been taken")


class EndpointNotAllowedError(ApplianceError):
    """The endpoint must not be used; the sentence says why."""

    code = "endpoint_not_allowed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
