"""Executes one operation, whichever way it came: the limits and what is told are the same."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import anyio.to_thread
from graphql import (
    DocumentNode,
    Executor,
    GraphQLError,
    GraphQLSyntaxError,
    OperationType,
    parse,
    subscribe,
    validate,
)
from graphql import ExecutionResult as Executed
from litestar.types import Scope
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from strawberry import Schema
from strawberry.types.execution import ExecutionResult

from appliance.accounts.rules import Caller
from appliance.errors import ApplianceError
from appliance.fields.resolving import Context
from appliance.graphql.errors import SubscriptionNeedsStreamError
from appliance.graphql.limits import MAX_TOKENS, read_operation
from appliance.graphql.rest.refusals import as_graphql, cause_of, shown, tell
from appliance.storage.engine import DatabaseUnavailableError

# For who asks, over the connection with that scope.
MakeContext = Callable[[Caller, Scope], Context]
# Many subscribe with the same document: it is kept once for all of them.
KEPT_DOCUMENTS = 64


class Operation(BaseModel):
    """An operation; what else clients send along means nothing here."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    query: StrictStr
    variables: dict[str, Any] | None = None
    operation_name: StrictStr | None = Field(default=None, alias="operationName")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing was executed, and nothing more will come."""

    errors: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """From now on nothing is missed; the answer has the one field, with nothing in it."""

    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A whole answer; of a subscription there may be more."""

    answer: Mapping[str, Any]
    has_more: bool


Event = Refused | Subscribed | Answered


class Answering:
    """Answers operations on one schema; `context` makes what their fields are resolved with."""

    def __init__(self, schema: Schema, make_context: MakeContext) -> None:
        self._schema = schema
        # The library offers no other way to what can be validated and subscribed to.
        self._plain_schema = schema._schema  # noqa: SLF001  # see above
        self.context = make_context
        self._documents = lru_cache(KEPT_DOCUMENTS)(self._read_document)

    async def answer(self, operation: Operation, context: Context) -> dict[str, Any]:
        """Answers a query or a mutation, or with the errors of what is neither.

        Raises:
            DatabaseUnavailableError: then there is no answer at all.
        """
        try:
            kind = await anyio.to_thread.run_sync(_kind, operation)
        except (GraphQLSyntaxError, ApplianceError) as refusal:
            return _only(refusal)
        if kind is OperationType.SUBSCRIPTION:
            return _only(SubscriptionNeedsStreamError())
        result = await self._execute(operation, kind, context)
        for cause in map(cause_of, result.errors or ()):
            if isinstance(cause, DatabaseUnavailableError):
                raise cause
        return await _told(result, kind, context)

    async def events(self, operation: Operation, context: Context) -> AsyncGenerator[Event, None]:
        """Answers any operation, for as long as there are answers; close it when it is left.

        Nothing is raised: what goes wrong is among the events.
        """
        try:
            kind = await anyio.to_thread.run_sync(_kind, operation)
            if kind is OperationType.SUBSCRIPTION:
                async with aclosing(self._subscription(operation, kind, context)) as events:
                    async for event in events:
                        yield event
            else:
                result = await self._execute(operation, kind, context)
                told = await _told(result, kind, context)
                yield Answered(answer=told, has_more=False)
        except (GraphQLSyntaxError, ApplianceError) as refusal:
            yield Refused(errors=[shown(as_graphql(refusal))])

    async def _execute(
        self, operation: Operation, kind: OperationType, context: Context
    ) -> ExecutionResult:
        if kind is OperationType.QUERY:
            return await context.db.read(
                lambda session: self._run(operation, replace(context, session=session))
            )
        return await anyio.to_thread.run_sync(self._run, operation, context)

    def _run(self, operation: Operation, context: Context) -> ExecutionResult:
        return self._schema.execute_sync(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.operation_name,
        )

    async def _subscription(
        self, operation: Operation, kind: OperationType, context: Context
    ) -> AsyncGenerator[Event, None]:
        results = await self._subscribe(operation, context)
        if isinstance(results, Executed):
            told = await _told(results, kind, context)
            yield Refused(errors=told["errors"])
            return
        is_first = True
        async with aclosing(results):
            async for result in _with_faults(results):
                told = await _told(result, kind, context)
                yield _event(told, is_first=is_first)
                is_first = False

    async def _subscribe(
        self, operation: Operation, context: Context
    ) -> Executed | AsyncGenerator[Executed, None]:
        document = await anyio.to_thread.run_sync(self._documents, operation.query)
        if not isinstance(document, DocumentNode):
            return Executed(errors=list(document))
        # Not in strawberry's way, which would keep a document and more for each subscriber.
        result: Any = subscribe(
            self._plain_schema,
            document,
            variable_values=operation.variables,
            operation_name=operation.operation_name,
            context_value=context,
            executor_class=_OnEachEvent,
            hide_suggestions=True,
        )
        found: Executed | AsyncGenerator[Executed, None] = (
            await result if inspect.isawaitable(result) else result
        )
        return found

    def _read_document(self, query: str) -> DocumentNode | tuple[GraphQLError, ...]:
        """The document, or why it is not valid; how large it is was looked at before."""
        document = parse(query, max_tokens=MAX_TOKENS)
        errors = validate(self._plain_schema, document, hide_suggestions=True)
        return tuple(errors) or document


class _OnEachEvent(Executor[Any]):
    """The library's, which would keep two kilobytes of each event for as long as it is listened.

    graphql-core 3.3.2 hands the one memory of what was selected, by the identity of lists that are
    new for each event, on to the executor of every event.
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """The executor of one event, with a memory of its own."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001  # see above
        return executor


async def _with_faults(results: AsyncIterator[Executed]) -> AsyncGenerator[Executed, None]:
    """The same; what the source raises is an answer like any other, and the last."""
    try:
        async for result in results:
            yield result
    except Exception as fault:  # noqa: BLE001  # an edge: it is told and logged like all others
        yield Executed(data=None, errors=[as_graphql(fault)])


def _event(told: Mapping[str, Any], *, is_first: bool) -> Event:
    if not is_first:
        return Answered(answer=told, has_more=True)
    if not told["data"]:
        return Refused(errors=told["errors"])
    # A field yields nothing once, as soon as it has subscribed.
    is_empty = "errors" not in told and all(each is None for each in told["data"].values())
    return Subscribed(answer=told) if is_empty else Answered(answer=told, has_more=True)


def _only(refusal: Exception) -> dict[str, Any]:
    return {"errors": [shown(as_graphql(refusal))]}


def _kind(operation: Operation) -> OperationType:
    # Not what was read of it: a subscriber would hold that for as long as it listens.
    return read_operation(
        operation.query, name=operation.operation_name, variables=operation.variables or {}
    ).operation


async def _told(
    result: Executed | ExecutionResult, kind: OperationType, context: Context
) -> dict[str, Any]:
    errors = result.errors or []
    await tell(errors, kind, context)
    return {"data": result.data, **({"errors": [shown(each) for each in errors]} if errors else {})}
