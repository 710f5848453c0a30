"""What a client is told of what went wrong, what the log is, and who was refused a change."""

import re
from collections.abc import Sequence
from typing import Any

import structlog
from graphql import FieldNode, GraphQLError, OperationType

from appliance.accounts.errors import AdminNeededError
from appliance.audit.rules import Target
from appliance.audit.usecases import is_refusal_known, record_refusal
from appliance.errors import ApplianceError, ForbiddenError, NotFoundError
from appliance.fields.resolving import Context

# GitLab's sentence, which clients look for: it does not tell the two apart.
NOT_AVAILABLE = (
    "The resource that you are attempting to access does not exist or you don't have permission "
    "to perform this action"
)
FAULT = "Internal server error"
# Where a sentence of the library goes on with what was sent, in which an API key may be.
ECHO = re.compile(r"(cannot represent [^:]*): .*|[,;]? found: .*", re.DOTALL | re.IGNORECASE)
# What the library says of a field, argument or input that the schema has not: clients that try
# whether there is one look for the code.
NOT_ACCEPTED = re.compile(
    r"^(Cannot query field|Unknown argument) |\bnot to include unknown field "
)
NOT_ACCEPTED_CODE = "argumentNotAccepted"

_log = structlog.get_logger()


async def tell(errors: Sequence[GraphQLError], operation: OperationType, context: Context) -> None:
    """Logs what went wrong, and writes down who was refused a change."""
    for error in errors:
        field = _field(error)
        match cause := cause_of(error):
            case None:
                _log.info("graphql_refused", code=None, field=field)
            case ApplianceError():
                _log.info("graphql_refused", code=cause.code, field=field)
            case _:
                _log.error("graphql_failed", field=field, exc_info=cause)
        if isinstance(cause, ForbiddenError) and operation is OperationType.MUTATION:
            await _note_refusal(cause, field, context)


async def _note_refusal(refusal: ForbiddenError, field: str | None, context: Context) -> None:
    actor, now = context.caller.actor, context.now
    target = Target(kind="mutation", id=field or "")
    if not await context.db.read(lambda s: is_refusal_known(s, actor, target, now=now)):
        await context.db.write(
            lambda s: record_refusal(s, refusal.code, actor=actor, target=target, now=now)
        )


def _field(error: GraphQLError) -> str | None:
    # By its own name: a client may call it what it likes in the answer.
    nodes = [each for each in error.nodes or () if isinstance(each, FieldNode)]
    return nodes[0].name.value if nodes else None


def cause_of(error: GraphQLError) -> Exception | None:
    """What was raised by a resolver or a scalar; None for what the library itself refused."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def as_graphql(refusal: Exception) -> GraphQLError:
    """What was raised, as the library tells of what went wrong."""
    if isinstance(refusal, GraphQLError):
        return refusal
    return GraphQLError(str(refusal), original_error=refusal)


def shown(error: GraphQLError) -> dict[str, Any]:
    """What a client is told of it: a sentence and a code, and nothing of what was sent."""
    told: dict[str, Any] = dict(error.formatted)
    match cause_of(error):
        case None:
            is_unknown = NOT_ACCEPTED.search(error.message) is not None
            code = {"extensions": {"code": NOT_ACCEPTED_CODE}} if is_unknown else {}
            return {**told, "message": _without_echo(error.message), **code}
        case NotFoundError() | AdminNeededError() as cause:
            return {**told, "message": NOT_AVAILABLE, "extensions": {"code": cause.code}}
        case ApplianceError() as cause:
            return {**told, "message": str(cause), "extensions": {"code": cause.code}}
        case _:
            return {**told, "message": FAULT, "extensions": {"code": ApplianceError.code}}


def _without_echo(message: str) -> str:
    kept = ECHO.sub(r"\1", message)
    return kept if kept == message or kept.endswith("?") else f"{kept}."
