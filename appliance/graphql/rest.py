"""The one address that answers GraphQL: JSON over POST, one operation at a time."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import anyio.to_thread
import structlog
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
)
from litestar import MediaType, Request, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from strawberry.types.execution import ExecutionResult

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import Access, Caller
from appliance.audit.rules import Target
from appliance.audit.usecases import is_refusal_known, record_refusal
from appliance.errors import ApplianceError, ForbiddenError, NotFoundError
from appliance.fields.resolving import ActionTools, Context, ModelTools, ReadState, SettingsDesk
from appliance.graphql.limits import read_operation
from appliance.graphql.schema import build_schema
from appliance.storage.engine import DatabaseUnavailableError, Db

Clock = Callable[[], datetime]
PATH = "/api/graphql"
# GitLab's sentence, which clients look for: it does not tell the two apart.
NOT_AVAILABLE = (
    "The resource that you are attempting to access does not exist or you don't have permission "
    "to perform this action"
)
FAULT = "Internal server error"
# Where a sentence of the library goes on with what was sent, in which an API key may be.
ECHO = re.compile(r"(cannot represent [^:]*): .*|[,;]? found: .*", re.DOTALL | re.IGNORECASE)

_log = structlog.get_logger()
_schema = build_schema()


class OperationBody(BaseModel):
    """An operation; what else clients send along means nothing here."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    query: StrictStr
    variables: dict[str, Any] | None = None
    operation_name: StrictStr | None = Field(default=None, alias="operationName")


@post(PATH, opt={"access": Access.SELF}, status_code=200)
async def answer_operation(  # noqa: PLR0913  # each is handed in by its name
    *,
    request: Request[Any, Any, Any],
    data: JSONBody[OperationBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    read_state: NamedDependency[ReadState],
    desk: NamedDependency[SettingsDesk],
    model_tools: NamedDependency[ModelTools],
    action_tools: NamedDependency[ActionTools],
    client_ip_of: NamedDependency[Callable[[Any], str]],
    clock: NamedDependency[Clock],
    version: NamedDependency[str],
) -> dict[str, Any]:
    """Answers one operation; each of its fields states whom it is open to."""
    if request.content_type[0] != MediaType.JSON:
        # What a page of another site can send without being asked is of other kinds.
        raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        operation = await anyio.to_thread.run_sync(_read, data)
    except (GraphQLSyntaxError, ApplianceError) as refusal:
        return {"errors": [_shown(_as_graphql(refusal))]}
    context = Context(
        caller=caller,
        now=clock(),
        version=version,
        read_state=read_state,
        desk=desk,
        models=model_tools,
        actions=action_tools,
        client_ip=client_ip_of(request.scope),
        db=db,
        session=None,
    )
    result = await _execute(data, context, operation.operation)
    errors = result.errors or []
    await _tell(errors, operation, context)
    shown = {"errors": [_shown(each) for each in errors]} if errors else {}
    return {"data": result.data, **shown}


def _read(body: OperationBody) -> OperationDefinitionNode:
    return read_operation(body.query, name=body.operation_name, variables=body.variables or {})


async def _execute(
    body: OperationBody, context: Context, operation: OperationType
) -> ExecutionResult:
    if operation is OperationType.MUTATION:
        return await anyio.to_thread.run_sync(_run, body, context)
    return await context.db.read(lambda session: _run(body, replace(context, session=session)))


def _run(body: OperationBody, context: Context) -> ExecutionResult:
    return _schema.execute_sync(
        body.query,
        variable_values=body.variables,
        context_value=context,
        operation_name=body.operation_name,
    )


async def _tell(
    errors: Sequence[GraphQLError], operation: OperationDefinitionNode, context: Context
) -> None:
    """Logs what went wrong, and writes down who was refused a change.

    Raises:
        DatabaseUnavailableError: that is what went wrong; then it is no answer at all.
    """
    for error in errors:
        field = _field(error)
        match cause := _cause(error):
            case None:
                _log.info("graphql_refused", code=None, field=field)
            case DatabaseUnavailableError():
                raise cause
            case ApplianceError():
                _log.info("graphql_refused", code=cause.code, field=field)
            case _:
                _log.error("graphql_failed", field=field, exc_info=cause)
        if isinstance(cause, ForbiddenError) and operation.operation is OperationType.MUTATION:
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


def _cause(error: GraphQLError) -> Exception | None:
    """What was raised by a resolver or a scalar; None for what the library itself refused."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _as_graphql(refusal: GraphQLError | ApplianceError) -> GraphQLError:
    if isinstance(refusal, GraphQLError):
        return refusal
    return GraphQLError(str(refusal), original_error=refusal)


def _shown(error: GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = dict(error.formatted)
    match _cause(error):
        case None:
            return {**shown, "message": _without_echo(error.message)}
        case NotFoundError() | AdminNeededError() as cause:
            return {**shown, "message": NOT_AVAILABLE, "extensions": {"code": cause.code}}
        case ApplianceError() as cause:
            return {**shown, "message": str(cause), "extensions": {"code": cause.code}}
        case _:
            return {**shown, "message": FAULT, "extensions": {"code": ApplianceError.code}}


def _without_echo(message: str) -> str:
    kept = ECHO.sub(r"\1", message)
    return kept if kept == message or kept.endswith("?") else f"{kept}."


handlers = (answer_operation,)
