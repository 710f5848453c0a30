"""What can go wrong when somebody looks at usage."""

from appliance.errors import ForbiddenError


class OthersUsageError(ForbiddenError):
    """The usage asked for is that of somebody else."""

    code = "others_usage"

    def __init__(self) -> None:
        super().__init__(
            "403 Forbidden - You may see your own usage, and with 'namespace_id' that of a group "
            "you own; an administrator sees all."
        )
