"""What can go wrong when models are chosen."""

from appliance.errors import ApplianceError, ConflictError, ForbiddenError, NotFoundError


class FeatureUnknownError(NotFoundError):
    """No feature of the catalogue has that name; `nearest` is one that is spelled like it."""

    code = "feature_unknown"

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(what="Feature")
        self.name, self.nearest = name, nearest

    def __str__(self) -> str:
        """The sentence."""
        hint = "" if self.nearest is None else f"; the nearest is {self.nearest}"
        return f"404 Feature Not Found: there is no feature {self.name[:255]!r}{hint}."


class FeatureDisabledError(ConflictError):
    """The instance switched the feature off, so no group chooses a model for it."""

    code = "feature_disabled"

    def __init__(self, feature: str) -> None:
        super().__init__(
            f"The feature {feature} is disabled for the whole instance; an instance admin can "
            "assign a model to it."
        )


class LockedAboveError(ConflictError):
    """A level above locked its choice; `level` names it."""

    code = "feature_locked"

    def __init__(self, feature: str, level: str) -> None:
        super().__init__(f"The model of {feature} is locked by {level}, so nothing below chooses.")


class ModelSwitchingOffError(ForbiddenError):
    """The flag without which groups do not choose is off for the caller there."""

    code = "model_switching_off"

    def __init__(self) -> None:
        super().__init__(
            "Groups cannot choose models: the feature flag ai_model_switching is off here. "
            "An instance admin can switch it on; until then the instance's default is used."
        )


class DefinitionsRefusedError(ApplianceError):
    """Nothing of what a gateway says of its models can be used, so what was known holds."""

    code = "definitions_refused"


class DefinitionsUnavailableError(DefinitionsRefusedError):
    """The gateway answered with something else."""

    code = "definitions_unavailable"

    def __init__(self, status: int) -> None:
        super().__init__(f"The gateway answered {status} when asked for its model definitions.")


class DefinitionsUnreadableError(DefinitionsRefusedError):
    """They are not JSON."""

    code = "definitions_unreadable"

    def __init__(self) -> None:
        super().__init__("The gateway's model definitions are not JSON.")


class DefinitionsShapeError(DefinitionsRefusedError):
    """They are JSON of another kind."""

    code = "definitions_shape_unknown"

    def __init__(self) -> None:
        super().__init__(
            "The gateway's model definitions are neither an object with the lists models and "
            "unit_primitives nor a list of models."
        )


class DefinitionsTooLargeError(DefinitionsRefusedError):
    """They are longer than any honest ones."""

    code = "definitions_too_large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The gateway's model definitions are longer than {limit_bytes // 1024} KiB."
        )


class TooManyModelsError(DefinitionsRefusedError):
    """They define more models than anybody could choose from."""

    code = "definitions_too_many"

    def __init__(self, number: int, limit: int) -> None:
        super().__init__(
            f"The gateway's model definitions name {number} models; {limit} are the most."
        )
