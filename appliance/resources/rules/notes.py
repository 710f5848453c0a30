"""What people say on issues and merge requests, and who may hear it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.namespaces.rules import AccessLevel
from appliance.resources.errors import TooManyNotesError
from appliance.resources.rules import texts
from appliance.resources.rules.places import SEES_CONFIDENTIAL, Place

NoteableKind = Literal["Issue", "MergeRequest"]

CHANGES_NOTES = AccessLevel.MAINTAINER

# Bounds what an action has to read at once; the number is that of the real system.
MAX_NOTES = 5000
MAX_NOTES_CHARS = 4_000_000
MAX_DRAFT_NOTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark on an issue or a merge request. `author_id` None: that user is gone.

    An internal one is for those with a role in the project that reaches.
    """

    id: int
    project_id: int
    noteable_kind: NoteableKind
    noteable_id: int
    author_id: int | None
    body: str = field(repr=False)
    is_system: bool = False
    is_internal: bool = False
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftNote:
    """A remark of a review that only its author sees until it is published."""

    id: int
    merge_request_id: int
    author_id: int
    body: str = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOrder:
    """How notes are listed; the real system's own order is the newest first."""

    by: Literal["created_at", "updated_at"] = "created_at"
    is_descending: bool = True


NEWEST_FIRST = NoteOrder()
OLDEST_FIRST = NoteOrder(is_descending=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How much has been said on one thing."""

    notes: int
    chars: int


def sees_internal(place: Place) -> bool:
    """Whether internal notes are for the user."""
    return place.reaches(SEES_CONFIDENTIAL)


def sees_note(place: Place, note: Note) -> bool:
    """Whether the user, who sees what it is on, may know of it."""
    return not note.is_internal or sees_internal(place)


def check_body(body: str | None, *, field_name: str = "body") -> None:
    """Passes when that can be said; None: nothing is.

    Raises:
        InvalidFieldsError: it cannot.
    """
    problem = texts.required(body) or texts.problem_of_text(body, least=1)
    texts.check({field_name: problem})


def check_room(said: Volume, *, more: Volume) -> None:
    """Passes when so much more can be said on a thing.

    Raises:
        TooManyNotesError: that would be more than an action can read.
    """
    are_many = said.notes + more.notes > MAX_NOTES
    if more.notes + more.chars > 0 and (are_many or said.chars + more.chars > MAX_NOTES_CHARS):
        raise TooManyNotesError(most=MAX_NOTES, most_chars=MAX_NOTES_CHARS)
