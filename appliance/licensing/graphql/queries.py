"""What can be asked about purchases and seats."""

from enum import Enum
from typing import Annotated, cast

import strawberry

from appliance.accounts.rules import MAX_NAME_CHARS, Access
from appliance.errors import InvalidFieldsError
from appliance.fields.connections import Connection, asked_span, connection
from appliance.fields.global_ids import NamespaceID
from appliance.fields.resolving import Info, field
from appliance.licensing import usecases
from appliance.licensing.graphql.values import (
    AddOnPurchase,
    AddOnPurchaseID,
    AddOnType,
    AddOnUser,
    UserSort,
    is_named,
    purchases_by_id,
    shown_purchase,
    shown_users,
)
from appliance.licensing.rules import Order, Search
from appliance.namespaces.usecases import get_namespace
from appliance.storage.engine import Session
from appliance.storage.paging import Stretch


@strawberry.type
class LicensingQuery:
    """What can be asked about purchases and seats."""

    @field(
        description="What counts now for the instance, or for the root group above a namespace",
        access=Access.API,
    )
    def add_on_purchases(
        self, info: Info, namespace_id: NamespaceID | None = strawberry.UNSET
    ) -> list[AddOnPurchase] | None:
        """For admins, and for owners of the group."""
        asked = info.context

        def read(session: Session) -> list[AddOnPurchase]:
            root = get_namespace(session, namespace_id).root_id if namespace_id else None
            usecases.check_may_read(
                session, asked.caller.user, root_namespace_id=root, now=asked.now
            )
            found = usecases.reports(session, root_namespace_id=root, now=asked.now)
            return [shown_purchase(each) for each in found if each.quantity and is_named(each)]

        return asked.read(read)

    @field(
        description="Active users, as those whom seats of the instance's purchases are given to",
        access=Access.ADMIN,
    )
    def self_managed_add_on_eligible_users(  # noqa: PLR0913  # each is an argument of the field
        self,
        info: Info,
        *,
        add_on_type: Annotated[Enum, strawberry.argument(graphql_type=AddOnType)],
        add_on_purchase_ids: list[AddOnPurchaseID],
        search: str | None = strawberry.UNSET,
        sort: UserSort | None = strawberry.UNSET,
        filter_by_assigned_seat: str | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AddOnUser] | None:
        """A page of users, at most a hundred."""
        order, is_descending = sort.value if sort else UserSort.ID_ASC.value
        wanted = Search(
            purchase_ids=tuple(add_on_purchase_ids),
            text=_searched(search or None),
            has_seat=_has_seat(filter_by_assigned_seat or None),
            order=cast("Order", order),
            is_descending=is_descending,
        )
        span = asked_span(first=first, after=after, last=last, before=before)

        def read(session: Session) -> Connection[AddOnUser]:
            found = usecases.find_candidates(session, wanted, span, add_on=add_on_type.value)
            users = shown_users(found.items, purchases_by_id(session, info.context.now))
            return connection(Stretch(items=users, start=found.start, total=found.total))

        return info.context.read(read)


def _searched(text: str | None) -> str | None:
    if text is not None and not (len(text) <= MAX_NAME_CHARS and text.isprintable()):
        message = f"must be at most {MAX_NAME_CHARS} printable characters"
        raise InvalidFieldsError({"search": message})
    return text


def _has_seat(text: str | None) -> bool | None:
    if text is not None and text not in {"true", "false"}:
        raise InvalidFieldsError({"filterByAssignedSeat": "must be true or false"})
    return None if text is None else text == "true"
