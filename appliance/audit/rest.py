"""The audit log over REST, for admins, in GitLab's shape."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery
from litestar.response import Response

from appliance.audit import usecases
from appliance.audit.rules import AuditEvent, Filter
from appliance.storage.engine import Db
from appliance.storage.paging import Page

PATH = "/api/v4/audit_events"
# What GitLab calls an author without a user.
NO_USER = -1


async def provide_filter(
    action: FromQuery[str | None] = None,
    created_after: FromQuery[datetime | None] = None,
    created_before: FromQuery[datetime | None] = None,
) -> Filter:
    """Which entries are asked for; a moment without a zone is in UTC."""
    return Filter(
        action=action,
        created_after=_in_utc(created_after),
        created_before=_in_utc(created_before),
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def list_events(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Page],
    wanted: NamedDependency[Filter],
    db: NamedDependency[Db],
    public_url: NamedDependency[str],
) -> Response[list[dict[str, Any]]]:
    """The entries, newest first."""
    found = await db.read(
        lambda session: usecases.list_events(
            session,
            asked,
            action=wanted.action,
            created_after=wanted.created_after,
            created_before=wanted.created_before,
        )
    )
    return Response(
        [_show(event) for event in found.items],
        headers=found.headers(f"{public_url}{request.url.path}"),
    )


async def verify(*, db: NamedDependency[Db]) -> dict[str, Any]:
    """Whether the log is as it was written; note `head` down elsewhere to compare it later."""
    verdict = await db.read(usecases.verify)
    return verdict.summary()


def handlers(access: object) -> tuple[HTTPRouteHandler, ...]:
    """The routes, open to `access`, which a concept above this one defines."""
    opt = {"access": access}
    return (
        get(PATH, opt=opt, dependencies={"wanted": Provide(provide_filter)})(list_events),
        get(f"{PATH}/verification", opt=opt)(verify),
    )


def _show(event: AuditEvent) -> dict[str, Any]:
    entry = event.entry
    is_user = entry.actor.kind == "user"
    return {
        "id": event.sequence,
        "author_id": int(entry.actor.id) if is_user else NO_USER,
        "author_name": entry.actor.name,
        "author_kind": entry.actor.kind,
        "entity_id": entry.target.id,
        "entity_type": entry.target.kind,
        "event_name": entry.action,
        "details": entry.details,
        "created_at": entry.happened_at.isoformat(),
        "digest": event.digest,
    }
