"""How each kind of failure is answered over HTTP."""

from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Response

from appliance.access_tokens.errors import (
    AccessTokenInvalidError,
    AccessTokenSupersededError,
    NoSigningKeyError,
)
from appliance.accounts.errors import (
    LastAdminError,
    TakenError,
    UnauthorizedError,
    UserBlockedError,
)
from appliance.errors import (
    ApplianceError,
    ConflictError,
    ForbiddenError,
    InvalidFieldsError,
    NotFoundError,
)
from appliance.gateway_feed.errors import (
    AssertionRefusedError,
    BatchRefusedError,
    GatewayKeyInvalidError,
    NoFeedKeyError,
    ReportRefusedError,
)
from appliance.licensing.errors import (
    AuthorityPinnedError,
    ClockWentBackError,
    LicenceError,
    LicenceTakenError,
    SeatError,
)
from appliance.outbound import UnreachableError
from appliance.self_hosted_models.errors import EndpointNotAllowedError, RefTakenError
from appliance.storage.engine import DatabaseUnavailableError

# What cannot happen to a request, only to a start or a command, is missing here: 500.
PROBLEMS: dict[type[ApplianceError], HTTPStatus] = {
    InvalidFieldsError: HTTPStatus.BAD_REQUEST,
    EndpointNotAllowedError: HTTPStatus.BAD_REQUEST,
    LastAdminError: HTTPStatus.BAD_REQUEST,
    ReportRefusedError: HTTPStatus.BAD_REQUEST,
    BatchRefusedError: HTTPStatus.BAD_REQUEST,
    GatewayKeyInvalidError: HTTPStatus.BAD_REQUEST,
    LicenceError: HTTPStatus.BAD_REQUEST,
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    AccessTokenInvalidError: HTTPStatus.UNAUTHORIZED,
    AccessTokenSupersededError: HTTPStatus.UNAUTHORIZED,
    AssertionRefusedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    UserBlockedError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    TakenError: HTTPStatus.CONFLICT,
    RefTakenError: HTTPStatus.CONFLICT,
    ConflictError: HTTPStatus.CONFLICT,
    LicenceTakenError: HTTPStatus.CONFLICT,
    AuthorityPinnedError: HTTPStatus.CONFLICT,
    SeatError: HTTPStatus.CONFLICT,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoSigningKeyError: HTTPStatus.SERVICE_UNAVAILABLE,
    ClockWentBackError: HTTPStatus.SERVICE_UNAVAILABLE,
    NoFeedKeyError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnreachableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
# The codes of what Litestar itself refuses.
FRAMEWORK_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}

UNREADABLE = "The request cannot be read: the body must be a JSON object in UTF-8."

_log = structlog.get_logger()


def status_of(error: ApplianceError) -> HTTPStatus:
    """The HTTP status of an error: that of the nearest class in the table."""
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _answer_problem(_: Request[Any, Any, Any], error: ApplianceError) -> Response[dict[str, Any]]:
    status = status_of(error)
    reason = getattr(error, "reason", None)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request_failed", code=error.code, exc_info=error)
    else:
        _log.info("request_refused", code=error.code, reason=reason)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return _problem(status, "500 Internal Server Error", ApplianceError.code)
    answer = _problem(status, str(error), error.code)
    if isinstance(error, InvalidFieldsError):
        answer.content["errors"] = error.fields
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["www-authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["retry-after"] = "1"
    return answer


def _answer_framework_problem(
    request: Request[Any, Any, Any], error: HTTPException
) -> Response[dict[str, Any]]:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer_fault(request, error)
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        fields = {each.get("key") or "body": each["message"] for each in error.extra}
        # What Litestar says when there is no body at all.
        fields = {"body": "is required"} if fields == {"data": "'data'"} else fields
        return _answer_problem(request, InvalidFieldsError(fields))
    status = HTTPStatus(error.status_code)
    code = FRAMEWORK_CODES.get(status, "invalid_request")
    sentence = UNREADABLE if status is HTTPStatus.BAD_REQUEST else f"{status} {status.phrase}"
    answer = _problem(status, sentence, code)
    answer.headers.update(error.headers or {})
    return answer


def _answer_unreadable(_: Request[Any, Any, Any], __: Exception) -> Response[dict[str, Any]]:
    # Litestar lets this one through when a body is not UTF-8.
    status = HTTPStatus.BAD_REQUEST
    return _problem(status, UNREADABLE, FRAMEWORK_CODES[status])


def _answer_fault(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    _log.error("request_failed", code=ApplianceError.code, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _problem(status, "500 Internal Server Error", ApplianceError.code)


def _problem(status: HTTPStatus, message: str, code: str) -> Response[dict[str, Any]]:
    body = {"message": message, "code": code}
    return Response(body, status_code=status.value, media_type="application/json")


ANSWERS: dict[int | type[Exception], Any] = {
    ApplianceError: _answer_problem,
    HTTPException: _answer_framework_problem,
    UnicodeDecodeError: _answer_unreadable,
    Exception: _answer_fault,
}
