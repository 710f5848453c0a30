"""Notes on issues and merge requests over REST, under GitLab's names."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import StrictStr

from appliance.accounts.rules import Access
from appliance.resources import usecases
from appliance.resources.rest.asking import API, ASKING_AT, PROJECT, AskingAt, Body, Listed, Shown
from appliance.resources.rest.showing import show_notes
from appliance.resources.rules import Note, NoteOrder, Place
from appliance.resources.usecases import Noteable
from appliance.storage.engine import Session
from appliance.storage.paging import Page

PATHS = [f"{PROJECT}/issues/{{iid:int}}/notes", f"{PROJECT}/merge_requests/{{iid:int}}/notes"]
ONES = [f"{path}/{{note_id:int}}" for path in PATHS]


class ChangedNoteBody(Body):
    """What is said otherwise."""

    body: StrictStr


class NoteBody(ChangedNoteBody):
    """What is said; `confidential` is the older name of `internal`."""

    internal: Literal[True, False] = False
    confidential: Literal[True, False] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion:
    """A request for what is said on one thing, which `kind` and `iid` name in its project."""

    at: AskingAt
    kind: Literal["issues", "merge_requests"]
    iid: int

    def find(self, session: Session, place: Place) -> Noteable:
        """That thing.

        Raises:
            NotFoundError: there is none, or not for this user.
        """
        if self.kind == "issues":
            return usecases.issue_at(session, place, self.iid)
        return usecases.merge_request_at(session, place, self.iid)

    def show(self, session: Session, note: Note) -> Shown:
        """One note as it is answered."""
        return show_notes(session, [note], iid=self.iid, public_url=self.at.public_url)[0]


async def provide_discussion(
    *, request: Request[Any, Any, Any], at: NamedDependency[AskingAt], iid: FromPath[int]
) -> Discussion:
    """What it is about."""
    # The template, since a project may have any name.
    is_issue = "/issues/" in request.scope["path_template"]
    return Discussion(at=at, kind="issues" if is_issue else "merge_requests", iid=iid)


ON = {**ASKING_AT, "on": Provide(provide_discussion)}


@get(PATHS, opt={"access": Access.API}, dependencies=ON)
async def list_notes(
    *,
    on: NamedDependency[Discussion],
    asked: NamedDependency[Page],
    request: Request[Any, Any, Any],
    order_by: FromQuery[Literal["created_at", "updated_at"]] = "created_at",
    sort: FromQuery[Literal["asc", "desc"]] = "desc",
) -> Listed:
    """What is said there, the newest first unless asked otherwise."""
    order = NoteOrder(by=order_by, is_descending=sort == "desc")

    def work(session: Session, place: Place, _: datetime) -> Listed:
        found = usecases.list_notes(
            session, place, on.find(session, place), page=asked, order=order
        )
        url = f"{on.at.public_url}{API}/projects/{place.project.id}/{on.kind}/{on.iid}/notes"
        return Response(
            show_notes(session, found.items, iid=on.iid, public_url=on.at.public_url),
            headers=found.headers(url, asked=request.query_params.multi_items()),
        )

    return await on.at.read(work)


@post(PATHS, opt={"access": Access.API}, dependencies=ON)
async def create_note(*, on: NamedDependency[Discussion], data: JSONBody[NoteBody]) -> Shown:
    """Says something there."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        said = usecases.create_note(
            session,
            place,
            on.find(session, place),
            body=data.body,
            is_internal=data.internal or data.confidential,
            now=now,
        )
        return on.show(session, said)

    return await on.at.write(work)


@get(ONES, opt={"access": Access.API}, dependencies=ON)
async def get_note(*, on: NamedDependency[Discussion], note_id: FromPath[int]) -> Shown:
    """One note."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.note_on(session, place, on.find(session, place), note_id=note_id)
        return on.show(session, found)

    return await on.at.read(work)


@put(ONES, opt={"access": Access.API}, dependencies=ON)
async def change_note(
    *,
    on: NamedDependency[Discussion],
    note_id: FromPath[int],
    data: JSONBody[ChangedNoteBody],
) -> Shown:
    """Says it otherwise."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        thing = on.find(session, place)
        changed = usecases.change_note(
            session, place, thing, note_id=note_id, body=data.body, now=now
        )
        return on.show(session, changed)

    return await on.at.write(work)


@delete(ONES, opt={"access": Access.API}, dependencies=ON)
async def delete_note(*, on: NamedDependency[Discussion], note_id: FromPath[int]) -> None:
    """Takes it back."""

    def work(session: Session, place: Place, now: datetime) -> None:
        usecases.delete_note(session, place, on.find(session, place), note_id=note_id, now=now)

    await on.at.write(work)


handlers = (list_notes, create_note, get_note, change_note, delete_note)
