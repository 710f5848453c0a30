"""What can go wrong with minting."""

from appliance.errors import ApplianceError


class NoSigningKeyError(ApplianceError):
    """There is no signing key that may sign now."""

    code = "no_signing_key"

    def __init__(self) -> None:
        super().__init__("The instance has no signing key, so it cannot mint access tokens.")


class AccessTokenInvalidError(ApplianceError):
    """Not an access token of ours that holds now; `reason` is for the log alone."""

    code = "invalid_token"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The access token is missing, invalid or expired; ask the instance for a new one."
        )
        self.reason = reason


class AccessTokenSupersededError(ApplianceError):
    """It was good, but what it grants was changed or taken back since."""

    code = "token_superseded"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "Your rights have changed since this token was made; ask the instance for a new one."
        )
        self.reason = reason
