"""Stable error codes that clients may rely on, with the HTTP status of each."""

from enum import StrEnum


class Code(StrEnum):
    """One reason for a refusal; a value never changes its meaning."""

    INVALID_REQUEST = "invalid_request"
    PROMPT_VERSION_NOT_FOUND = "prompt_version_not_found"
    PROMPT_TOO_LONG = "prompt_too_long"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  # an error code, not a credential
    TOKEN_SUPERSEDED = "token_superseded"  # noqa: S105  # an error code, not a credential
    FEATURE_NOT_GRANTED = "feature_not_granted"
    PROVIDER_NOT_ENTITLED = "provider_not_entitled"
    NAMESPACE_NOT_GRANTED = "namespace_not_granted"
    FEATURE_DISABLED = "feature_disabled"
    FEATURE_NOT_ASSIGNED = "feature_not_assigned"
    MODEL_NOT_SELECTABLE = "model_not_selectable"
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    ISSUER_NOT_PERMITTED = "issuer_not_permitted"
    INSTANCE_ONLY = "instance_only"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    PROMPT_NOT_FOUND = "prompt_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TOO_LARGE = "request_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    MODEL_FAULT = "model_fault"
    VALIDATION_FAILED = "validation_failed"
    INTERNAL_ERROR = "internal_error"
    MODEL_BUSY = "model_busy"
    UPSTREAM_FAILED = "upstream_failed"
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    CONFIGURATION_UNAVAILABLE = "configuration_unavailable"
    MODEL_UNAVAILABLE = "model_unavailable"
    GATEWAY_TOO_OLD = "gateway_too_old"


STATUS: dict[Code, int] = {
    Code.INVALID_REQUEST: 400,
    Code.PROMPT_VERSION_NOT_FOUND: 400,
    Code.PROMPT_TOO_LONG: 400,
    Code.INVALID_TOKEN: 401,
    Code.TOKEN_SUPERSEDED: 401,
    Code.FEATURE_NOT_GRANTED: 403,
    Code.PROVIDER_NOT_ENTITLED: 403,
    Code.NAMESPACE_NOT_GRANTED: 403,
    Code.FEATURE_DISABLED: 403,
    Code.FEATURE_NOT_ASSIGNED: 403,
    Code.MODEL_NOT_SELECTABLE: 403,
    Code.ADDRESS_NOT_ALLOWED: 403,
    Code.ISSUER_NOT_PERMITTED: 403,
    Code.INSTANCE_ONLY: 403,
    Code.NOT_FOUND: 404,
    Code.MODEL_NOT_FOUND: 404,
    Code.PROMPT_NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.REQUEST_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.MODEL_FAULT: 421,
    Code.VALIDATION_FAILED: 422,
    Code.MODEL_BUSY: 429,
    Code.INTERNAL_ERROR: 500,
    Code.UPSTREAM_FAILED: 502,
    Code.IDENTITY_UNAVAILABLE: 503,
    Code.CONFIGURATION_UNAVAILABLE: 503,
    Code.MODEL_UNAVAILABLE: 503,
    Code.GATEWAY_TOO_OLD: 503,
}
