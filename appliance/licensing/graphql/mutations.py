"""What can be done with seats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.fields.connections import Connection, connection
from appliance.fields.global_ids import UserID
from appliance.fields.resolving import Context, Info, mutation
from appliance.licensing import usecases
from appliance.licensing.errors import SeatError, SeatNotFoundError
from appliance.licensing.graphql.values import (
    AddOnPurchase,
    AddOnPurchaseID,
    AddOnUser,
    purchases_by_id,
    shown_users,
)
from appliance.storage.engine import Session
from appliance.storage.paging import Stretch

MAX_SEATS_AT_ONCE = 100
# What a client is told in `errors`; anything else fails the whole field.
EXPECTED = (SeatError, SeatNotFoundError, InvalidFieldsError)


@strawberry.input(description="Whose seat is given, and in which purchase")
class UserAddOnAssignmentCreateInput:
    """One seat."""

    add_on_purchase_id: AddOnPurchaseID
    user_id: UserID
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="Whose seat is taken, and in which purchase")
class UserAddOnAssignmentRemoveInput(UserAddOnAssignmentCreateInput):
    """One seat."""


@strawberry.input(description="Whose seats are given, all or none, and in which purchase")
class UserAddOnAssignmentBulkCreateInput:
    """Several seats."""

    add_on_purchase_id: AddOnPurchaseID
    user_ids: list[UserID]
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="Whose seats are taken, all or none, and in which purchase")
class UserAddOnAssignmentBulkRemoveInput(UserAddOnAssignmentBulkCreateInput):
    """Several seats."""


@strawberry.type(description="What came of it: `errors` is empty when the seat was given")
class UserAddOnAssignmentCreatePayload:
    """What came of one seat."""

    add_on_purchase: AddOnPurchase | None
    user: AddOnUser | None
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when the seat was taken")
class UserAddOnAssignmentRemovePayload(UserAddOnAssignmentCreatePayload):
    """What came of one seat."""


@strawberry.type(description="What came of it: `errors` is empty when all seats were given")
class UserAddOnAssignmentBulkCreatePayload:
    """What came of several seats."""

    add_on_purchase: AddOnPurchase | None
    users: Connection[AddOnUser]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when all seats were taken")
class UserAddOnAssignmentBulkRemovePayload(UserAddOnAssignmentBulkCreatePayload):
    """What came of several seats."""


@strawberry.type
class LicensingMutation:
    """What can be done with seats."""

    @mutation(description="Gives a user a seat", access=Access.ADMIN)
    def user_add_on_assignment_create(
        self,
        info: Info,
        wish: Annotated[UserAddOnAssignmentCreateInput, strawberry.argument(name="input")],
    ) -> UserAddOnAssignmentCreatePayload | None:
        """Who has one keeps it."""
        return UserAddOnAssignmentCreatePayload(**_for_one(info, wish, _give))

    @mutation(description="Takes a user's seat", access=Access.ADMIN)
    def user_add_on_assignment_remove(
        self,
        info: Info,
        wish: Annotated[UserAddOnAssignmentRemoveInput, strawberry.argument(name="input")],
    ) -> UserAddOnAssignmentRemovePayload | None:
        """The seat is free at once."""
        return UserAddOnAssignmentRemovePayload(**_for_one(info, wish, _take))

    @mutation(
        description="Gives each of the users a seat, or none of them",
        access=Access.ADMIN,
    )
    def user_add_on_assignment_bulk_create(
        self,
        info: Info,
        wish: Annotated[UserAddOnAssignmentBulkCreateInput, strawberry.argument(name="input")],
    ) -> UserAddOnAssignmentBulkCreatePayload | None:
        """At most a hundred at once."""
        return UserAddOnAssignmentBulkCreatePayload(**_for_several(info, wish, _give))

    @mutation(
        description="Takes the seat of each of the users, or of none of them",
        access=Access.ADMIN,
    )
    def user_add_on_assignment_bulk_remove(
        self,
        info: Info,
        wish: Annotated[UserAddOnAssignmentBulkRemoveInput, strawberry.argument(name="input")],
    ) -> UserAddOnAssignmentBulkRemovePayload | None:
        """At most a hundred at once."""
        return UserAddOnAssignmentBulkRemovePayload(**_for_several(info, wish, _take))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    purchase_id: int
    user_ids: Sequence[int]


Change = Callable[[Session, Context, _Wish], object]


def _give(session: Session, asked: Context, wish: _Wish) -> object:
    return usecases.give_seats(
        session,
        wish.purchase_id,
        wish.user_ids,
        actor=asked.caller.actor,
        given_by=asked.caller.user.id,
        now=asked.now,
    )


def _take(session: Session, asked: Context, wish: _Wish) -> None:
    usecases.take_seats(
        session, wish.purchase_id, wish.user_ids, actor=asked.caller.actor, now=asked.now
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    purchase: AddOnPurchase | None
    users: list[AddOnUser]
    errors: list[str]


def _changed(asked: Context, change: Change, wish: _Wish) -> _Outcome:
    errors = []
    try:
        _check_number(wish.user_ids)
        asked.write(lambda session: change(session, asked, wish))
    except EXPECTED as refusal:
        errors.append(str(refusal))

    def read(session: Session) -> _Outcome:
        bought = purchases_by_id(session, asked.now)
        found = usecases.candidates(session, wish.user_ids[:MAX_SEATS_AT_ONCE])
        return _Outcome(
            purchase=bought.get(wish.purchase_id), users=shown_users(found, bought), errors=errors
        )

    return asked.read(read)


def _for_one(info: Info, wish: UserAddOnAssignmentCreateInput, change: Change) -> dict[str, Any]:
    one = _Wish(purchase_id=wish.add_on_purchase_id, user_ids=[wish.user_id])
    found = _changed(info.context, change, one)
    return {
        "add_on_purchase": found.purchase,
        "user": found.users[0],
        "errors": found.errors,
        "client_mutation_id": wish.client_mutation_id or None,
    }


def _for_several(
    info: Info, wish: UserAddOnAssignmentBulkCreateInput, change: Change
) -> dict[str, Any]:
    several = _Wish(purchase_id=wish.add_on_purchase_id, user_ids=wish.user_ids)
    found = _changed(info.context, change, several)
    total = len(found.users)
    return {
        "add_on_purchase": found.purchase,
        "users": connection(Stretch(items=found.users, start=0, total=total)),
        "errors": found.errors,
        "client_mutation_id": wish.client_mutation_id or None,
    }


def _check_number(user_ids: Sequence[int]) -> None:
    if not 1 <= len(user_ids) <= MAX_SEATS_AT_ONCE:
        raise InvalidFieldsError({"userIds": f"must be 1 to {MAX_SEATS_AT_ONCE} users"})
