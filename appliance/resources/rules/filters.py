"""Which issues and merge requests are asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.resources.rules import texts


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOrder:
    """How a list is ordered; the real system's own order is the newest first."""

    by: Literal["created_at", "updated_at", "title"] = "created_at"
    is_descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When something must have happened; None is for no bound, and both ends belong to it."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Which issues or merge requests are asked for; None is for all.

    `labels` must all be there; `has_labels` asks for those with any, or with none. `search_in`
    names the texts that `search` is looked for in. `project_id` None: in all projects.
    """

    project_id: int | None = None
    state: Literal["opened", "closed", "merged"] | None = None
    author_id: int | None = None
    iids: Collection[int] | None = None
    labels: tuple[str, ...] = ()
    has_labels: bool | None = None
    search: str | None = None
    search_in: frozenset[str] = frozenset({"title", "description"})
    is_confidential: bool | None = None
    is_draft: bool | None = None
    source_branch: str | None = None
    target_branch: str | None = None
    times: Times = Times()
    order: ItemOrder = ItemOrder()


def check_asked(*, search: str | None, labels: Sequence[str]) -> None:
    """Passes when that can be looked for; a database refuses what is far longer.

    Raises:
        InvalidFieldsError: with a sentence for each at fault.
    """
    texts.check(
        {
            "search": texts.problem_of_text(search, most=texts.MAX_LINE_CHARS),
            "labels": texts.problem_of_labels(labels),
        }
    )
