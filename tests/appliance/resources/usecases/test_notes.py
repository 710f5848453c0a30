from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from appliance.accounts.rules import User
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.resources import usecases
from appliance.resources.errors import TooManyNotesError
from appliance.resources.rules import Issue, Note, Place
from appliance.resources.tables.notes import NoteRow
from appliance.resources.usecases import Noteable
from appliance.storage.engine import Db
from appliance.storage.paging import Page
from tests.appliance.namespaces.builders import add_member
from tests.appliance.resources.builders import add_issue, add_merge_request, add_note, place
from tests.instance_builders import NOW


def _read(db: Db, user: User, noteable: Noteable) -> list[str]:
    found = db.read_blocking(lambda s: usecases.notes_of(s, user, noteable, now=NOW))
    return [each.body for each in found]


def _rewrite(db: Db, at: Place, noteable: Noteable, note: Note, body: str) -> Note:
    return db.write_blocking(
        lambda s: usecases.change_note(s, at, noteable, note_id=note.id, body=body, now=NOW)
    )


def _crowd(db: Db, at: Place, noteable: Noteable, *, notes: int, body: str) -> None:
    fields: dict[str, Any] = {"project_id": at.project.id, "noteable_type": "Issue"}
    times: dict[str, Any] = {"created_at": NOW - timedelta(days=1), "updated_at": NOW}
    db.write_blocking(
        lambda s: s.add_all(
            NoteRow(**fields, **times, noteable_id=noteable.id, body=body) for _ in range(notes)
        )
    )


def test_all_that_was_said_is_read_in_order(
    db: Db, at: Place, admin: User, ada: User, lab: Namespace
) -> None:
    issue, other = add_issue(db, at), add_merge_request(db, at)
    add_note(db, at, issue, body="first")
    add_note(db, at, issue, body="psst", is_internal=True)
    add_note(db, at, other, body="elsewhere")
    add_note(db, at, issue, body="last")
    assert _read(db, admin, issue) == ["first", "psst", "last"]
    assert _read(db, ada, issue) == ["first", "last"]
    add_member(db, admin, lab, user=ada, level=AccessLevel.REPORTER)
    assert _read(db, ada, issue) == ["first", "psst", "last"]
    assert _read(db, ada, other) == ["elsewhere"]


def test_no_more_is_said_than_an_action_can_read(db: Db, at: Place) -> None:
    issue, other = add_issue(db, at), add_issue(db, at)
    _crowd(db, at, issue, notes=4999, body="x")
    last = add_note(db, at, issue)
    with pytest.raises(TooManyNotesError):
        add_note(db, at, issue)
    assert _rewrite(db, at, issue, last, "longer than it was").body == "longer than it was"
    _crowd(db, at, other, notes=15, body="x" * 262_144)
    short = add_note(db, at, other, body="x" * 60_000)
    with pytest.raises(TooManyNotesError):
        _rewrite(db, at, other, short, "x" * 130_000)
    assert _rewrite(db, at, other, short, "y").body == "y"


def test_the_log_knows_who_took_away_what_another_said(db: Db, at: Place, ada: User) -> None:
    issue = add_issue(db, at)
    theirs = place(db, ada, at.project)
    own, other = add_note(db, theirs, issue), add_note(db, theirs, issue)

    def take_back(who: Place, note: Note) -> None:
        db.write_blocking(lambda s: usecases.delete_note(s, who, issue, note_id=note.id, now=NOW))

    take_back(theirs, own)
    take_back(at, other)
    events = db.read_blocking(lambda s: list_events(s, Page.asked(1, 9))).items
    told = [each.entry for each in events if each.entry.action == "note_deleted"]
    assert [(each.target.id, each.actor.name) for each in told] == [(str(other.id), "root")]


def test_what_is_said_in_a_project_that_went_is_not_read(
    db: Db, at: Place, admin: User, ada: User
) -> None:
    issue = add_issue(db, at)
    db.write_blocking(lambda s: usecases.delete_project(s, at.project, caller_user=admin, now=NOW))
    with pytest.raises(NotFoundError):
        _read(db, ada, issue)


def test_nothing_is_said_on_what_is_removed_meanwhile(db: Db, at: Place) -> None:
    issues = [add_issue(db, at) for _ in range(8)]

    def say(issue: Issue) -> None:
        with suppress(NotFoundError):
            db.write_blocking(
                lambda s: usecases.create_note(
                    s, at, usecases.issue_at(s, at, issue.iid), body="x", now=NOW
                )
            )

    def remove(issue: Issue) -> None:
        db.write_blocking(lambda s: usecases.delete_issue(s, at, issue, now=NOW))

    with ThreadPoolExecutor(4) as pool:
        works = [pool.submit(work, each) for each in issues for work in (say, remove, say)]
    assert [each.result() for each in works] == [None] * len(works)
    assert db.read_blocking(lambda s: s.exec(select(NoteRow)).all()) == []
