"""What can go wrong when an editor or an agent asks for direct access."""

from appliance.errors import ForbiddenError


class SuggestionsNotGrantedError(ForbiddenError):
    """The user may not use code suggestions there."""

    code = "code_suggestions_not_granted"

    def __init__(self) -> None:
        super().__init__(
            "403 Forbidden - Code suggestions are not granted to you; ask an admin for a seat."
        )


class ProxyNotGrantedError(ForbiddenError):
    """The user may not call models in their providers' own protocols."""

    code = "model_proxy_not_granted"

    def __init__(self) -> None:
        super().__init__(
            "403 Forbidden - Agents of others are not granted to you; ask an admin for a seat of "
            "GitLab Duo Enterprise."
        )
