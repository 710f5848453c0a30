"""What a field is resolved with: who asks and when, and the transaction it reads or writes in."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, cast, runtime_checkable

import strawberry
from anyio import from_thread
from graphql import OperationType
from strawberry.extensions import FieldExtension

from appliance.accounts.rules import Access, Caller, User, check_access
from appliance.audit.rules import Actor
from appliance.storage.engine import Db, Session
from appliance.storage.sealing import Sealer

T = TypeVar("T")
Resolver = TypeVar("Resolver", bound=Callable[..., Any])

ModelState = Literal["ready", "unreachable"]
# What present gateways say of a model; the room that knows lies above those that ask.
ReadState = Callable[[Session, str, datetime], ModelState | None]
# The same for several models at once.
ReadStates = Callable[[Session, Collection[str], datetime], Mapping[str, ModelState | None]]


@runtime_checkable
class SettingsDesk(Protocol):
    """Reads and changes the instance's settings, whose room lies above this one."""

    def read(self, session: Session) -> Any:
        """All settings as they are now."""

    async def change(self, changes: Mapping[str, str | int | None], *, actor: Actor) -> Any:
        """Checks and saves; the settings as they are then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTools:
    """What is done with models outside the database, or known of them in rooms above.

    `check_endpoint` gives back an endpoint that may be saved, and blocks; `check_model` takes a
    description, and the number of the model that it changes. `project_namespace` is the group of a
    project that the user may know of.
    """

    sealer: Sealer
    check_endpoint: Callable[[str], str]
    check_model: Callable[[Any, int | None], Coroutine[Any, Any, Any]]
    read_states: ReadStates
    project_namespace: Callable[[Session, User, int, datetime], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTools:
    """What is done with AI actions on the event loop, in rooms above this one.

    `deliveries` is where answers are waited for. `start` takes a request that was accepted, and
    what its user said in it, or None; `cancel` the name of one that nobody waits for any more.
    """

    deliveries: Any
    start: Callable[[Any, Any], Coroutine[Any, Any, None]]
    cancel: Callable[[str], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One operation, resolved in a worker thread; a subscription's on the event loop.

    `client_ip` is who asked, as the gateway's allow-lists look at it.

    `session` is the one that all of a query reads in, so that its parts fit each other; None in
    a mutation, each field of which is a transaction of its own.
    """

    caller: Caller
    now: datetime
    version: str
    read_state: ReadState
    desk: SettingsDesk
    models: ModelTools
    actions: ActionTools
    client_ip: str
    db: Db
    session: Session | None

    def read(self, work: Callable[[Session], T]) -> T:
        """Reads, in the query's session or in one that sees what the mutation has written."""
        if self.session is not None:
            return work(self.session)
        return from_thread.run(self.db.read, work)

    def write(self, work: Callable[[Session], T]) -> T:
        """Commits what `work` writes; only for fields of mutations."""
        return from_thread.run(self.db.write, work)

    def wait_for(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives, which runs on the event loop; only for fields of mutations."""
        return from_thread.run(work)


Info = strawberry.Info[Context, None]


class Needs(FieldExtension):
    """Whom a field of the query or mutation is open to; each of them states exactly one."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def resolve(
        self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **arguments: Any
    ) -> Any:
        """Resolves the field for who may.

        Raises:
            InsufficientScopeError, AdminNeededError: see `check_access`.
        """
        is_read = info.operation.operation is not OperationType.MUTATION
        check_access(info.context.caller, self.access, is_read=is_read)
        return next_(source, info, **arguments)


def field(*, description: str, access: Access | None = None) -> Callable[[Resolver], Resolver]:
    """Makes a method a field; `access` is for those of the query."""
    extensions: list[FieldExtension] = [] if access is None else [Needs(access)]
    made = strawberry.field(description=description, extensions=extensions)
    # The library gives the decorator no type, which would take its method's away.
    return cast("Callable[[Resolver], Resolver]", made)


def mutation(*, description: str, access: Access) -> Callable[[Resolver], Resolver]:
    """Makes a method a field of the mutation."""
    made = strawberry.mutation(description=description, extensions=[Needs(access)])
    return cast("Callable[[Resolver], Resolver]", made)


def subscription(*, description: str, access: Access) -> Callable[[Resolver], Resolver]:
    """Makes a method a field of the subscription."""
    made = strawberry.subscription(description=description, extensions=[Needs(access)])
    return cast("Callable[[Resolver], Resolver]", made)
