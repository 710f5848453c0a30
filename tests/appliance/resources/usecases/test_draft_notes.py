from typing import Any

import pytest

from appliance.accounts.rules import User
from appliance.accounts.usecases import delete_user
from appliance.errors import InvalidFieldsError
from appliance.resources import usecases
from appliance.resources.rules import DraftNote, MergeRequest, Place
from appliance.resources.rules.notes import MAX_DRAFT_NOTES
from appliance.resources.tables.draft_notes import DraftNoteRow
from appliance.storage.engine import Db
from tests.appliance.resources.builders import add_merge_request, place
from tests.instance_builders import NOW


def _write(db: Db, at: Place, one: MergeRequest, body: str) -> DraftNote:
    return db.write_blocking(lambda s: usecases.create_draft_note(s, at, one, body=body, now=NOW))


def _bodies(db: Db, user: User, one: MergeRequest) -> list[str]:
    found = db.read_blocking(lambda s: usecases.draft_notes_of(s, user, one))
    return [each.body for each in found]


def test_each_reads_their_own_and_nothing_is_left_of_who_is_gone(
    db: Db, at: Place, ada: User
) -> None:
    one, theirs = add_merge_request(db, at), place(db, ada, at.project)
    _write(db, at, one, "mine")
    _write(db, theirs, one, "hers")
    assert (_bodies(db, at.user, one), _bodies(db, ada, one)) == (["mine"], ["hers"])
    db.write_blocking(lambda s: delete_user(s, ada.id, actor=at.user.actor, now=NOW))
    assert (_bodies(db, at.user, one), _bodies(db, ada, one)) == (["mine"], [])


def test_a_review_has_an_end(db: Db, at: Place) -> None:
    one = add_merge_request(db, at)
    fields: dict[str, Any] = {
        "merge_request_id": one.id,
        "author_id": at.user.id,
        "created_at": NOW,
    }
    db.write_blocking(
        lambda s: s.add_all(DraftNoteRow(**fields, body="x") for _ in range(MAX_DRAFT_NOTES))
    )
    with pytest.raises(InvalidFieldsError, match="publish them"):
        _write(db, at, one, "x")
    said = db.write_blocking(lambda s: usecases.publish_draft_notes(s, at, one, now=NOW))
    assert len(said) == MAX_DRAFT_NOTES
    assert _write(db, at, one, "x").body == "x"
