"""What a client may ask of a list of groups or members, under GitLab's names."""

from typing import Annotated, Literal

from litestar.di import Provide
from litestar.params import FromQuery, QueryParameter

from appliance.namespaces.rules import AccessLevel, GroupFilter, MemberFilter, Order, Visibility

# A list is asked for as `skip_groups[]=1&skip_groups[]=2`.
Numbers = list[int] | None


async def provide_filter(  # noqa: PLR0913  # each is a parameter of the query
    *,
    search: FromQuery[str | None] = None,
    top_level_only: FromQuery[bool] = False,
    owned: FromQuery[bool] = False,
    min_access_level: FromQuery[AccessLevel | None] = None,
    all_available: FromQuery[bool] = True,
    visibility: FromQuery[Visibility | None] = None,
    skip_groups: Annotated[Numbers, QueryParameter(name="skip_groups[]")] = None,
    order_by: FromQuery[Literal["name", "path", "id"]] = "path",
    sort: FromQuery[Literal["asc", "desc"]] = "asc",
) -> GroupFilter:
    """Which groups are asked for, and in which order."""
    least = AccessLevel.OWNER if owned else min_access_level
    if least is None and not all_available:
        least = AccessLevel.GUEST
    return GroupFilter(
        search=search,
        top_level_only=top_level_only,
        least_level=least,
        visibility=visibility,
        without=frozenset(skip_groups or ()),
        order=Order(by=order_by, is_descending=sort == "desc"),
    )


async def provide_member_filter(
    *,
    search: Annotated[str | None, QueryParameter(name="query")] = None,
    user_ids: Annotated[Numbers, QueryParameter(name="user_ids[]")] = None,
    skip_users: Annotated[Numbers, QueryParameter(name="skip_users[]")] = None,
) -> MemberFilter:
    """Which members are asked for."""
    return MemberFilter(
        search=search,
        among=None if user_ids is None else frozenset(user_ids),
        without=frozenset(skip_users or ()),
    )


FILTERED = {"wanted": Provide(provide_filter)}
MEMBERS_FILTERED = {"wanted": Provide(provide_member_filter)}
