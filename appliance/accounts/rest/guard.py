"""Who a request is from, and whether its route is open to them."""

from datetime import datetime
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope as ConnectionScope

from appliance.accounts import rules, usecases
from appliance.accounts.rules import Access, Caller
from appliance.audit.rules import Target
from appliance.audit.usecases import is_refusal_known, record_refusal
from appliance.errors import ForbiddenError
from appliance.storage.engine import Db

READING_METHODS = {"GET", "HEAD", "OPTIONS"}


async def require_access(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A Litestar guard: finds the caller, and refuses whom the route's access leaves out.

    Raises:
        UnauthorizedError, UserBlockedError, InsufficientScopeError, AdminNeededError: see `rules`.
    """
    if "access" not in handler.opt and connection.scope.get("method") == "OPTIONS":
        # The answers that Litestar adds by itself: they say which methods there are.
        return
    # Anything else that states nothing is refused: the start should not have let it through.
    access: Access = handler.opt["access"]
    if access in {Access.PUBLIC, Access.GATEWAY, Access.TOKEN, Access.SOCKET}:
        return
    headers = connection.headers
    pat = rules.presented_pat(headers.get("private-token"), headers.get("authorization"))
    db: Db = connection.app.state.db
    now: datetime = connection.app.state.clock()
    caller = await db.read(lambda session: usecases.authenticate(session, pat, now=now))
    # Known before anything is checked, so that the log can tell who was refused.
    connection.state.caller = caller
    is_read = connection.scope.get("method") in READING_METHODS
    rules.check_access(caller, access, is_read=is_read)
    if caller.credential.use_is_worth_noting(at=now):
        await db.write(lambda session: usecases.note_use(session, caller.credential, now=now))


async def note_refusal(error: Exception, scope: ConnectionScope) -> None:
    """A Litestar hook: the audit log tells who was refused a change, once a minute for a route."""
    caller: Caller | None = scope["state"].get("caller")
    if scope["type"] != ScopeType.HTTP or not isinstance(error, ForbiddenError) or caller is None:
        return
    if (method := scope["method"]) in READING_METHODS:
        return
    actor = caller.actor
    target = Target(kind="route", id=f"{method} {scope['path_template']}")
    db: Db = scope["litestar_app"].state.db
    now: datetime = scope["litestar_app"].state.clock()
    # Looked up first: who is refused again and again must not cost the one writer anything.
    if not await db.read(lambda session: is_refusal_known(session, actor, target, now=now)):
        await db.write(
            lambda session: record_refusal(session, error.code, actor=actor, target=target, now=now)
        )


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Who the guard found; for routes that are not public."""
    caller: Caller = request.state.caller
    return caller
