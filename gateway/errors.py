"""What can go wrong in the gateway; each leaf has a stable code and a sentence for the caller."""

from gateway.contract.codes import STATUS, Code


class GatewayError(Exception):
    """Root of the tree; `code` and `message` may be shown to a caller, `reason` goes to the log."""

    code: Code = Code.INTERNAL_ERROR
    decision_id: str | None = None
    message = "Something went wrong in the gateway; its log says what."

    def __init__(
        self, *, message: str | None = None, reason: str | None = None, param: str | None = None
    ) -> None:
        self.message = message or type(self).message
        self.reason = reason
        self.param = param
        super().__init__(reason or self.message)

    @property
    def status(self) -> int:
        """The HTTP status of `code`."""
        return STATUS[self.code]


class InvalidTokenError(GatewayError):
    """The request has no access token that can be trusted; why stays in the log."""

    code = Code.INVALID_TOKEN
    message = "The access token is missing, invalid or expired; ask the instance for a new one."


class TokenSupersededError(InvalidTokenError):
    """The token was good, until what it grants was changed or taken back."""

    code = Code.TOKEN_SUPERSEDED
    message = "Your rights have changed since this token was made; ask the instance for a new one."


class ForbiddenError(GatewayError):
    """The token is good, but not for this; `decision_id` is what an administrator can look up."""


class FeatureNotGrantedError(ForbiddenError):
    """The token lacks the scope that the request needs."""

    code = Code.FEATURE_NOT_GRANTED
    message = "This feature is not granted to you."


class ProviderNotEntitledError(ForbiddenError):
    """The token lacks the provider that runs the model."""

    code = Code.PROVIDER_NOT_ENTITLED
    message = "The provider of this model is not entitled."


class IssuerNotPermittedError(ForbiddenError):
    """The token is of an issuer, or of a kind, that this route does not take."""

    code = Code.ISSUER_NOT_PERMITTED
    message = "This route does not take tokens of that issuer."


class InstanceOnlyError(ForbiddenError):
    """The route is the instance's own; no user's token opens it, an administrator's neither."""

    code = Code.INSTANCE_ONLY
    message = (
        "Only the instance that this gateway follows may ask for this; ask the instance for it, as "
        "an administrator."
    )


class NamespaceNotGrantedError(ForbiddenError):
    """The request names a group that the token is not for; None: what it names is no id."""

    code = Code.NAMESPACE_NOT_GRANTED

    def __init__(self, *, namespace_id: int | None, message: str, reason: str) -> None:
        self.namespace_id = namespace_id
        super().__init__(message=message, reason=reason)


class FeatureDisabledError(ForbiddenError):
    """The instance uses no model for the feature."""

    code = Code.FEATURE_DISABLED
    message = "This feature is disabled."


class FeatureNotAssignedError(ForbiddenError):
    """The feature has no model that would answer a request that names none."""

    code = Code.FEATURE_NOT_ASSIGNED
    message = "No model is assigned to this feature."


class ModelNotSelectableError(ForbiddenError):
    """There is such a model, but not for this feature in the token's group."""

    code = Code.MODEL_NOT_SELECTABLE

    def __init__(self, *, model: str, provider: str, message: str, reason: str) -> None:
        self.model = model
        self.provider = provider
        super().__init__(message=message, reason=reason, param="model")


class AddressNotAllowedError(ForbiddenError):
    """The model's allow-list does not have the address that the request comes from."""

    code = Code.ADDRESS_NOT_ALLOWED

    def __init__(self, *, address: str, message: str, reason: str) -> None:
        self.address = address
        super().__init__(message=message, reason=reason)


class InvalidRequestError(GatewayError):
    """The body is not what the surface takes."""

    code = Code.INVALID_REQUEST
    message = "The request body must be a JSON object."


class ValidationFailedError(GatewayError):
    """The body is JSON, but not what GitLab's surfaces take; the message says where."""

    code = Code.VALIDATION_FAILED
    message = "Validation error"


class InvalidInputsError(ValidationFailedError):
    """An input of a prompt is missing, of the wrong type or too long, or none has that name."""


class PromptNotFoundError(GatewayError):
    """There is no prompt of that name."""

    code = Code.PROMPT_NOT_FOUND
    message = "Prompt not found"


class PromptVersionNotFoundError(GatewayError):
    """The prompt has no version that satisfies the constraint; the message says which there are."""

    code = Code.PROMPT_VERSION_NOT_FOUND
    message = "No version of the prompt satisfies the constraint."


class PromptTooLongError(GatewayError):
    """What is asked does not fit the model, not even with everything cut that may be."""

    code = Code.PROMPT_TOO_LONG
    message = "The prompt is too long for the model, even when it is cut."


class RequestTooLargeError(GatewayError):
    """The body is over the configured limit."""

    code = Code.REQUEST_TOO_LARGE


class UnsupportedMediaTypeError(GatewayError):
    """The body is not declared as JSON."""

    code = Code.UNSUPPORTED_MEDIA_TYPE
    message = "Send the body as application/json."


class RouteNotFoundError(GatewayError):
    """No such path."""

    code = Code.NOT_FOUND
    message = "There is nothing at this path."


class MethodNotAllowedError(GatewayError):
    """The path exists, the method does not."""

    code = Code.METHOD_NOT_ALLOWED
    message = "This path does not take that method."


class ModelNotFoundError(GatewayError):
    """No model of that ref is served to this token."""

    code = Code.MODEL_NOT_FOUND
    message = "There is no such model; GET /v1/models lists those that you may use."


class ModelUnavailableError(GatewayError):
    """The model's endpoint does not answer; worth another try in a few seconds."""

    code = Code.MODEL_UNAVAILABLE
    message = "The model is not available right now; try again in a few seconds."


class RefusedByModelError(InvalidRequestError):
    """The model's endpoint read the request and will not take it as it is.

    `answered` is the status it refused with.
    """

    answered = 400
    message = "The model does not take this request."


class ModelBusyError(GatewayError):
    """The model's endpoint has more to do than it takes on."""

    code = Code.MODEL_BUSY
    message = "The model is busy; try again in a few seconds."


class UpstreamFailedError(GatewayError):
    """The model's endpoint answered in a way that another try will not mend.

    `answered` is the status of that answer.
    """

    answered = 502
    code = Code.UPSTREAM_FAILED
    message = "The model's endpoint refused the gateway or failed; an administrator must look."


class ModelFaultError(GatewayError):
    """The model's server answered an error, as GitLab's surfaces say it: its status and phrase."""

    code = Code.MODEL_FAULT
    message = "The model's server answered an error."


class GatewayTooOldError(GatewayError):
    """The instance demands a restriction that this release does not know, so it refuses."""

    code = Code.GATEWAY_TOO_OLD
    message = "This gateway is too old for the settings of the instance; upgrade it."


class IdentityUnavailableError(GatewayError):
    """No key set fresh enough to check a token with."""

    code = Code.IDENTITY_UNAVAILABLE
    message = "Tokens cannot be checked right now because the instance is out of reach."


class ConfigurationUnavailableError(GatewayError):
    """The gateway has not heard of any models yet."""

    code = Code.CONFIGURATION_UNAVAILABLE
    message = "The gateway has no configuration from the instance yet."


class FeedRefusedError(GatewayError):
    """A feed document that is not from the pinned instance, not for us, or older than ours."""


class StateError(GatewayError):
    """A file of the gateway's own state is missing or unusable."""
