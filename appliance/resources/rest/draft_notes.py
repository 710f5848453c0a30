"""What reviewers have not submitted yet, over REST under GitLab's names."""

from collections.abc import Sequence
from datetime import datetime

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import StrictStr

from appliance.accounts.rules import Access
from appliance.resources import usecases
from appliance.resources.rest.asking import API, ASKING_AT, PROJECT, AskingAt, Body, Listed, Shown
from appliance.resources.rest.showing import show_draft_note
from appliance.resources.rules import DraftNote, Place
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

PATH = f"{PROJECT}/merge_requests/{{iid:int}}/draft_notes"
ONE = f"{PATH}/{{number:int}}"


class DraftNoteBody(Body):
    """What is written down."""

    note: StrictStr


@get(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def list_draft_notes(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], asked: NamedDependency[Page]
) -> Listed:
    """What the caller has written down, oldest first."""

    def work(session: Session, place: Place, _: datetime) -> Listed:
        found = usecases.merge_request_at(session, place, iid)
        drafts = usecases.draft_notes_of(session, place.user, found)
        base = f"{at.public_url}{API}/projects/{place.project.id}"
        return _listed(drafts, asked, url=f"{base}/merge_requests/{iid}/draft_notes")

    return await at.read(work)


@post(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def create_draft_note(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], data: JSONBody[DraftNoteBody]
) -> Shown:
    """Writes something down that only the caller sees."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        made = usecases.create_draft_note(session, place, found, body=data.note, now=now)
        return show_draft_note(made)

    return await at.write(work)


@get(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_draft_note(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], number: FromPath[int]
) -> Shown:
    """One of them."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        return show_draft_note(usecases.draft_note_on(session, place, found, number=number))

    return await at.read(work)


@put(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def change_draft_note(
    *,
    at: NamedDependency[AskingAt],
    iid: FromPath[int],
    number: FromPath[int],
    data: JSONBody[DraftNoteBody],
) -> Shown:
    """Writes it down otherwise."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        changed = usecases.change_draft_note(session, place, found, number=number, body=data.note)
        return show_draft_note(changed)

    return await at.write(work)


@delete(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def delete_draft_note(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], number: FromPath[int]
) -> None:
    """Takes it back."""

    def work(session: Session, place: Place, _: datetime) -> None:
        found = usecases.merge_request_at(session, place, iid)
        usecases.delete_draft_note(session, place, found, number=number)

    await at.write(work)


@put(f"{ONE}/publish", opt={"access": Access.API}, dependencies=ASKING_AT, status_code=204)
async def publish_draft_note(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], number: FromPath[int]
) -> None:
    """Makes it a note."""

    def work(session: Session, place: Place, now: datetime) -> None:
        found = usecases.merge_request_at(session, place, iid)
        usecases.publish_draft_note(session, place, found, number=number, now=now)

    await at.write(work)


@post(f"{PATH}/bulk_publish", opt={"access": Access.API}, dependencies=ASKING_AT, status_code=204)
async def publish_draft_notes(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> None:
    """Makes notes of all that the caller has written down."""

    def work(session: Session, place: Place, now: datetime) -> None:
        found = usecases.merge_request_at(session, place, iid)
        usecases.publish_draft_notes(session, place, found, now=now)

    await at.write(work)


def _listed(drafts: Sequence[DraftNote], asked: Page, *, url: str) -> Listed:
    start = (asked.number - 1) * asked.size
    part = Slice(items=drafts[start : start + asked.size], page=asked, total=len(drafts))
    return Response([show_draft_note(each) for each in part.items], headers=part.headers(url))


handlers = (
    list_draft_notes,
    create_draft_note,
    get_draft_note,
    change_draft_note,
    delete_draft_note,
    publish_draft_note,
    publish_draft_notes,
)
