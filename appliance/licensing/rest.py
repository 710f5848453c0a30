"""Licences, purchases and seats over REST, under GitLab's names where it has them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.accounts.usecases import get_user
from appliance.errors import NotFoundError
from appliance.licensing import usecases
from appliance.licensing.rules import Item, Line, Seat
from appliance.licensing.usecases import ALL, LicenceReport, Report
from appliance.namespaces.usecases import get_namespace
from appliance.storage.engine import MAX_ID, Db, Session
from appliance.storage.identity import Identity
from appliance.storage.paging import DEFAULT_PER_PAGE, Page, Slice

Clock = Callable[[], datetime]
MAX_SEATS_AT_ONCE = 100

UserId = Annotated[StrictInt, Field(ge=1, le=MAX_ID)]


class LicenceBody(BaseModel):
    """A licence file's text."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    license: StrictStr


class ChangeBody(BaseModel):
    """The text of a file that hands over to another authority."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    change: StrictStr


class SeatsBody(BaseModel):
    """Whose seats are given or taken, all or none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=MAX_SEATS_AT_ONCE)]


@post("/api/v4/license", opt={"access": Access.ADMIN})
async def add_licence(
    *,
    data: JSONBody[LicenceBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Takes a licence file."""
    now = clock()

    def add(session: Session) -> LicenceReport:
        added = usecases.add_licence(session, data.license, actor=caller.actor, now=now)
        found = usecases.licence_reports(session, now=now)
        return next(each for each in found if each.licence.id == added.id)

    return _show_licence(await db.write(add))


@get("/api/v4/license", opt={"access": Access.ADMIN})
async def get_licence(*, db: NamedDependency[Db], clock: NamedDependency[Clock]) -> dict[str, Any]:
    """The licence that was added last."""
    now = clock()
    found = await db.read(lambda session: usecases.licence_reports(session, now=now))
    if not found:
        raise NotFoundError(what="License")
    return _show_licence(found[0])


@get("/api/v4/licenses", opt={"access": Access.ADMIN})
async def list_licences(
    *, db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> list[dict[str, Any]]:
    """All licences, newest first."""
    now = clock()
    found = await db.read(lambda session: usecases.licence_reports(session, now=now))
    return [_show_licence(each) for each in found]


@delete("/api/v4/license/{licence_id:int}", opt={"access": Access.ADMIN})
async def remove_licence(
    *,
    licence_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Takes a licence away; it may be added again."""
    now = clock()
    await db.write(
        lambda session: usecases.remove_licence(session, licence_id, actor=caller.actor, now=now)
    )


@post("/api/v4/license/authority", opt={"access": Access.ADMIN})
async def change_authority(
    *,
    data: JSONBody[ChangeBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Hands over to another authority."""
    new = await db.write(
        lambda session: usecases.change_authority(
            session, data.change, actor=caller.actor, now=clock()
        )
    )
    return {"fingerprint": new.fingerprint, "is_demo": new.is_demo}


@get("/api/v4/license/authority", opt={"access": Access.ADMIN})
async def get_authority(
    *, db: NamedDependency[Db], identity: NamedDependency[Identity]
) -> dict[str, Any]:
    """Whom a licence must be issued for, and whose signature it needs; None while nobody's."""
    trusted = await db.read(usecases.trusted_authority)
    return {
        "instance_id": identity.instance_id,
        "fingerprint": trusted.fingerprint if trusted is not None else None,
        "is_demo": trusted is not None and trusted.is_demo,
    }


@get("/api/v4/ai/add_on_purchases", opt={"access": Access.API})
async def list_purchases(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    namespace_id: FromQuery[int | None] = None,
) -> list[dict[str, Any]]:
    """All purchases, or those of the root group above a namespace; its owner may see these."""
    now = clock()

    def read(session: Session) -> list[Report]:
        root = None if namespace_id is None else get_namespace(session, namespace_id).root_id
        usecases.check_may_read(session, caller.user, root_namespace_id=root, now=now)
        return usecases.reports(session, root_namespace_id=ALL if root is None else root, now=now)

    return [_show_purchase(each) for each in await db.read(read)]


@get("/api/v4/ai/add_on_purchases/{purchase_id:int}/seats", opt={"access": Access.API})
async def list_seats(  # noqa: PLR0913  # each is handed in by its name
    *,
    request: Request[Any, Any, Any],
    purchase_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
    page: FromQuery[int] = 1,
    per_page: FromQuery[int] = DEFAULT_PER_PAGE,
) -> Response[list[dict[str, Any]]]:
    """Who has a seat, oldest first."""
    asked, now = Page.asked(page, per_page), clock()

    def read(session: Session) -> tuple[Slice[Seat], list[dict[str, Any]]]:
        owner = usecases.get_purchase(session, purchase_id).root_namespace_id
        usecases.check_may_read(session, caller.user, root_namespace_id=owner, now=now)
        found = usecases.list_seats(session, purchase_id, asked, now=now)
        return found, _show_seats(session, found.items)

    found, shown = await db.read(read)
    return Response(shown, headers=found.headers(f"{public_url}{request.url.path}"))


@post("/api/v4/ai/add_on_purchases/{purchase_id:int}/seats", opt={"access": Access.ADMIN})
async def give_seats(
    *,
    purchase_id: FromPath[int],
    data: JSONBody[SeatsBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> list[dict[str, Any]]:
    """Gives each of the users a seat, or none of them."""

    def give(session: Session) -> list[dict[str, Any]]:
        seats = usecases.give_seats(
            session,
            purchase_id,
            data.user_ids,
            actor=caller.actor,
            given_by=caller.user.id,
            now=clock(),
        )
        return _show_seats(session, seats)

    return await db.write(give)


@delete("/api/v4/ai/add_on_purchases/{purchase_id:int}/seats", opt={"access": Access.ADMIN})
async def take_seats(
    *,
    purchase_id: FromPath[int],
    data: JSONBody[SeatsBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Takes the seat of each of the users, or of none of them."""
    await db.write(
        lambda session: usecases.take_seats(
            session, purchase_id, data.user_ids, actor=caller.actor, now=clock()
        )
    )


def _show_licence(report: LicenceReport) -> dict[str, Any]:
    licence = report.licence
    return {
        "id": licence.id,
        "serial": licence.serial,
        "authority": licence.authority,
        "is_demo": licence.is_demo,
        "counts": licence.counts,
        "created_at": licence.uploaded_at.isoformat(),
        "issued_at": licence.issued_at.isoformat(),
        "starts_at": report.starts_at.date().isoformat(),
        "expires_at": report.ends_at.date().isoformat(),
        "expired": report.is_expired,
        "licensee": {"Name": licence.licensee},
        "add_ons": [_show_line(line, at=report.at) for line in licence.lines],
        "warnings": list(report.warnings),
    }


def _show_line(line: Line, *, at: datetime) -> dict[str, Any]:
    item: Item = line.item
    return {
        "name": line.add_on,
        "quantity": item.quantity,
        "starts_at": item.starts_at.date().isoformat(),
        "ends_at": item.ends_at.date().isoformat(),
        "grace_ends_at": item.grace_ends_at.date().isoformat(),
        "state": item.state(at),
        "accompanies": item.accompanies,
        "namespace_id": line.root_namespace_id,
    }


def _show_purchase(report: Report) -> dict[str, Any]:
    owner = report.owner
    return {
        "id": report.purchase.id,
        "add_on": report.purchase.add_on,
        "name": report.title,
        "purchased_quantity": report.quantity,
        "assigned_quantity": report.assigned,
        "state": report.state,
        "ends_at": report.ends_at.date().isoformat() if report.ends_at is not None else None,
        "suspended_because": report.suspended_because,
        "is_demo": report.is_demo,
        "namespace": {"id": owner.id, "full_path": owner.full_path} if owner is not None else None,
        "warnings": list(report.warnings),
    }


def _show_seats(session: Session, seats: Sequence[Seat]) -> list[dict[str, Any]]:
    return [
        {
            "id": seat.id,
            "add_on_purchase_id": seat.purchase_id,
            "user_id": seat.user_id,
            "username": get_user(session, seat.user_id).username,
            "given_at": seat.given_at.isoformat(),
            "given_by": seat.given_by,
            "is_over_limit": seat.is_over_limit,
        }
        for seat in seats
    ]


handlers = (
    add_licence,
    get_licence,
    list_licences,
    remove_licence,
    change_authority,
    get_authority,
    list_purchases,
    list_seats,
    give_seats,
    take_seats,
)
