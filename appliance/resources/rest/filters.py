"""What a client may ask of a list of issues or merge requests, under GitLab's names."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter

from appliance.accounts.rules import User
from appliance.accounts.usecases import list_users
from appliance.errors import InvalidFieldsError
from appliance.resources.rules import ItemFilter, ItemOrder, Times, check_asked, parse_labels
from appliance.storage.engine import Session
from appliance.storage.paging import Page

Scope = Literal["created_by_me", "created-by-me", "all"]
Text = Literal["title", "description", "title,description", "description,title"]
IssueStates = Literal["opened", "closed", "all"]
MergeRequestStates = Literal["opened", "closed", "merged", "all"]
Flag = FromQuery[bool | None]

# What the real system has and this one does not keep: a list that took no notice would mislead.
UNKEPT = (
    frozenset(
        ("approved_by_ids[]", "approver_ids[]", "assignee_id", "assignee_username", "epic_id")
    )
    | {"assignee_username[]", "iteration_id", "milestone", "milestone_id", "my_reaction_emoji"}
    | {
        "reviewer_id",
        "reviewer_username",
        "weight",
    }
)
NOBODY = 0
FIRST = Page(number=1, size=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which are asked for, before it is known who that is."""

    items: ItemFilter
    author_username: str | None
    scope: Scope | None

    def for_user(self, session: Session, user: User, *, scope: Scope) -> ItemFilter:
        """The same with authors as numbers; `scope` is meant where the client says none."""
        authors: set[int] = set()
        if (self.scope or scope) != "all":
            authors.add(user.id)
        if self.items.author_id is not None:
            authors.add(self.items.author_id)
        if self.author_username is not None:
            found = list_users(session, FIRST, username=self.author_username).items
            authors.add(found[0].id if found else NOBODY)
        if not authors:
            return self.items
        return replace(self.items, author_id=authors.pop() if len(authors) == 1 else NOBODY)


async def provide_times(
    *,
    created_after: FromQuery[datetime | None] = None,
    created_before: FromQuery[datetime | None] = None,
    updated_after: FromQuery[datetime | None] = None,
    updated_before: FromQuery[datetime | None] = None,
) -> Times:
    """When it must have happened; a time without a zone is in UTC."""
    return Times(
        created_after=_zoned(created_after),
        created_before=_zoned(created_before),
        updated_after=_zoned(updated_after),
        updated_before=_zoned(updated_before),
    )


async def provide_wanted(  # noqa: PLR0913  # each is a parameter of the query
    *,
    request: Request[Any, Any, Any],
    times: NamedDependency[Times],
    author_id: FromQuery[int | None] = None,
    author_username: FromQuery[str | None] = None,
    # Litestar means something else by `scope` and `state`.
    whose: Annotated[Scope | None, QueryParameter(name="scope")] = None,
    iids: Annotated[list[int] | None, QueryParameter(name="iids[]")] = None,
    labels: FromQuery[str | None] = None,
    search: FromQuery[str | None] = None,
    search_in: Annotated[Text, QueryParameter(name="in")] = "title,description",
    order_by: FromQuery[Literal["created_at", "updated_at", "title"]] = "created_at",
    sort: FromQuery[Literal["asc", "desc"]] = "desc",
) -> Wanted:
    """What both lists can be asked."""
    _check_kept(request.query_params.keys())
    named = None if labels is None else labels.casefold()
    has_labels = {"any": True, "none": False}.get(named or "")
    asked_labels = () if labels is None or has_labels is not None else parse_labels(labels)
    check_asked(search=search, labels=asked_labels)
    items = ItemFilter(
        author_id=author_id,
        iids=iids,
        labels=asked_labels,
        has_labels=has_labels,
        search=search,
        search_in=frozenset(search_in.split(",")),
        times=times,
        order=ItemOrder(by=order_by, is_descending=sort == "desc"),
    )
    return Wanted(items=items, author_username=author_username, scope=whose)


async def provide_wanted_issues(
    *,
    wanted: NamedDependency[Wanted],
    in_state: Annotated[IssueStates, QueryParameter(name="state")] = "all",
    confidential: Flag = None,
) -> Wanted:
    """Which issues."""
    items = replace(
        wanted.items, state=None if in_state == "all" else in_state, is_confidential=confidential
    )
    return replace(wanted, items=items)


async def provide_wanted_merge_requests(
    *,
    wanted: NamedDependency[Wanted],
    in_state: Annotated[MergeRequestStates, QueryParameter(name="state")] = "all",
    draft: Flag = None,
    wip: FromQuery[Literal["yes", "no"] | None] = None,
    source_branch: FromQuery[str | None] = None,
    target_branch: FromQuery[str | None] = None,
) -> Wanted:
    """Which merge requests."""
    items = replace(
        wanted.items,
        state=None if in_state == "all" else in_state,
        is_draft=draft if wip is None else wip == "yes",
        source_branch=source_branch,
        target_branch=target_branch,
    )
    return replace(wanted, items=items)


def _check_kept(names: Collection[str]) -> None:
    unkept = UNKEPT.intersection(names)
    if unkept:
        raise InvalidFieldsError(dict.fromkeys(sorted(unkept), "is not kept here"))


def _zoned(time: datetime | None) -> datetime | None:
    if time is None or time.tzinfo is None:
        return None if time is None else time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise InvalidFieldsError({"time": "must be between the years 1 and 9999 in UTC"}) from None


_ALIKE = {"times": Provide(provide_times), "wanted": Provide(provide_wanted)}
WANTED_ISSUES = {**_ALIKE, "wanted_issues": Provide(provide_wanted_issues)}
WANTED_MERGE_REQUESTS = {**_ALIKE, "wanted_ones": Provide(provide_wanted_merge_requests)}
