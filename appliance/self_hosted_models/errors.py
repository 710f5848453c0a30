"""What can go wrong with a self-hosted model's registration."""

from collections.abc import Collection

from appliance.errors import ApplianceError, ConflictError


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


class ModelInUseError(ConflictError):
    """Features or groups use the model, and nobody said what they shall use without it."""

    code = "model_in_use"

    def __init__(self, ref: str, *, features: Collection[str], groups: int) -> None:
        self.ref, self.features, self.groups = ref, tuple(features), groups
        users = [f"the instance for {', '.join(features)}"] if features else []
        users += [f"{groups} group{'' if groups == 1 else 's'}"] if groups else []
        super().__init__(
            f"The model {ref} is used by {' and by '.join(users)}. Choose another model there, or "
            "delete it with reroute=true (`casemate models remove --reroute`): then what the "
            "instance says of those features falls back to what the gateway offers, and the "
            "choices of the groups are removed."
        )
