"""Usage over REST: sums as JSON or CSV, and single events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from litestar.response import Response

from appliance.accounts.rules import Access, Caller
from appliance.storage.engine import Db, Session
from appliance.storage.paging import DEFAULT_PER_PAGE, Page, Slice
from appliance.usage import rules, usecases
from appliance.usage.rules import CountedEvent, Extent, Line

Clock = Callable[[], datetime]
PATH = "/api/v4/usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose usage of which days a caller asks for."""

    caller: Caller
    days: tuple[date, date]
    user_id: int | None
    namespace_id: int | None
    now: datetime

    def extent(self, session: Session) -> Extent:
        """What they may see of it."""
        return usecases.extent_for(
            session,
            self.caller.user,
            self.days,
            user_id=self.user_id,
            namespace_id=self.namespace_id,
            now=self.now,
        )


async def provide_asked(
    caller: NamedDependency[Caller],
    clock: NamedDependency[Clock],
    *,
    first: Annotated[date | None, QueryParameter(name="from")] = None,
    last: Annotated[date | None, QueryParameter(name="to")] = None,
    user_id: FromQuery[int | None] = None,
    namespace_id: FromQuery[int | None] = None,
) -> Asked:
    """The question in a request's query; both days are inside, in UTC."""
    now = clock()
    days = rules.asked_days(first, last, today=now.date())
    return Asked(caller=caller, days=days, user_id=user_id, namespace_id=namespace_id, now=now)


ASKED = {"asked": Provide(provide_asked)}


@get(PATH, opt={"access": Access.API}, dependencies=ASKED)
async def get_sums(
    *,
    asked: NamedDependency[Asked],
    db: NamedDependency[Db],
    group_by: FromQuery[str] = "day",
    form: Annotated[Literal["json", "csv"], QueryParameter(name="format")] = "json",
) -> Response[Any]:
    """The sums by the groups that are asked for, with commas."""
    groups = rules.asked_groups(group_by)

    def read(session: Session) -> list[Line]:
        return list(usecases.sum_up(session, asked.extent(session), groups))

    lines = await db.read(read)
    if form == "json":
        return Response(rules.to_rows(groups, lines))
    return Response(
        rules.to_csv(groups, lines),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="usage.csv"'},
    )


@get(f"{PATH}/events", opt={"access": Access.API}, dependencies=ASKED)
async def list_events(
    *,
    request: Request[Any, Any, Any],
    asked: NamedDependency[Asked],
    db: NamedDependency[Db],
    public_url: NamedDependency[str],
    page: FromQuery[int] = 1,
    per_page: FromQuery[int] = DEFAULT_PER_PAGE,
) -> Response[list[dict[str, Any]]]:
    """Single events, newest first."""
    wanted = Page.asked(page, per_page)

    def read(session: Session) -> Slice[CountedEvent]:
        return usecases.list_events(session, asked.extent(session), wanted)

    found = await db.read(read)
    return Response(
        [_show(each) for each in found.items],
        headers=found.headers(f"{public_url}{request.url.path}"),
    )


def _show(counted: CountedEvent) -> dict[str, Any]:
    event = msgspec.structs.asdict(counted.event)
    # Its times are below, as everywhere else in the API; the subject is for machines alone.
    for name in ("happened_at", "subject"):
        del event[name]
    return {
        "gateway_id": counted.gateway_id,
        "happened_at": counted.happened_at,
        "received_at": counted.received_at,
        "user_id": counted.user_id,
        **event,
    }


handlers = (get_sums, list_events)
