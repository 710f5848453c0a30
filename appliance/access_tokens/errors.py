"""What can go wrong with minting."""

from appliance.errors import ApplianceError


class NoSigningKeyError(ApplianceError):
    """There is no signing key that may sign now."""

    code = "no_signing_key"

    def __init__(self) -> None:
        super().__init__("The instance has no signing key, so it cannot mint access tokens.")
