"""What can go wrong between a gateway and the instance."""

from appliance.errors import ApplianceError, ConflictError, InvalidFieldsError


class AssertionRefusedError(ApplianceError):
    """The caller is not a registered gateway that speaks now; the reason is for the log alone."""

    code = "invalid_assertion"

    def __init__(self, reason: str) -> None:
        super().__init__("401 Unauthorized")
        self.reason = reason


class ClockRefusedError(AssertionRefusedError):
    """The caller is a registered gateway, but one clock is off: its own, or ours.

    `skew_ms` is how far its clock is ahead.
    """

    def __init__(self, reason: str, gateway_id: str, *, skew_ms: int) -> None:
        super().__init__(reason)
        self.gateway_id = gateway_id
        self.skew_ms = skew_ms


class ReportRefusedError(ApplianceError):
    """A gateway's report cannot be read."""

    code = "invalid_report"

    def __init__(self) -> None:
        super().__init__("The report is not of the form that this instance reads.")


class BatchRefusedError(ApplianceError):
    """What a gateway tells of usage cannot be read; in parts it may be."""

    code = "invalid_batch"

    def __init__(self) -> None:
        super().__init__("The batch is not of the form that this instance reads.")


class GatewayKeyInvalidError(ApplianceError):
    """A public key that a gateway would be registered with is no key."""

    code = "invalid_gateway_key"

    def __init__(self, field: str) -> None:
        super().__init__(f"The gateway's {field} is not 32 bytes as base64url without padding.")


class NoFeedKeyError(ApplianceError):
    """There is no key to sign feed documents with."""

    code = "no_feed_key"

    def __init__(self) -> None:
        super().__init__("The instance has no feed key, so it cannot sign for gateways.")


class GatewayTakenError(ConflictError):
    """Another gateway has that name, or the same gateway has another."""

    code = "gateway_taken"

    def __init__(self, field: str, name: str) -> None:
        super().__init__(
            f"The {field} is already registered, for the gateway {name!r}; remove that one first."
        )


class PublicHalvesMismatchError(InvalidFieldsError):
    """The id that was given is not that of the signing key."""

    code = "gateway_id_mismatch"

    def __init__(self) -> None:
        super().__init__({"gateway_id": "is not the thumbprint of signing_key"})
