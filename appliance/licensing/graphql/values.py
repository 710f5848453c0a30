"""What purchases, seats and those who have them look like in GraphQL."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum, EnumType
from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from appliance.fields.connections import Connection, connection
from appliance.fields.global_ids import UserID, global_id_scalar
from appliance.fields.resolving import field
from appliance.licensing.rules import Candidate
from appliance.licensing.usecases import ALL, Report, reports
from appliance.storage.engine import Session
from appliance.storage.paging import Stretch
from gateway.contract.catalog import load_catalog

AddOnPurchaseID = NewType("AddOnPurchaseID", int)
scalars: Mapping[object, ScalarDefinition] = {
    AddOnPurchaseID: global_id_scalar(
        "GitlabSubscriptionsAddOnPurchaseID", "GitlabSubscriptions::AddOnPurchase"
    )
}

_ADD_ONS = {
    add_on.graphql_type: name
    for name, add_on in load_catalog().add_ons.items()
    if add_on.graphql_type is not None
}
# By its class, since a type checker wants to be told members that only the catalogue names.
AddOnType: type[Enum] = strawberry.enum(
    EnumType.__call__(Enum, "AddOnType", _ADD_ONS),
    name="GitlabSubscriptionsAddOnType",
    description="What can be bought",
)


@strawberry.enum(name="GitlabSubscriptionsUserSort", description="In which order users come")
class UserSort(Enum):
    """In which order users come; each with the key and whether it goes down."""

    ID_ASC = ("id", False)
    ID_DESC = ("id", True)
    NAME_ASC = ("name", False)
    NAME_DESC = ("name", True)
    LAST_ACTIVITY_ON_ASC = ("last_active_at", False)
    LAST_ACTIVITY_ON_DESC = ("last_active_at", True)


@strawberry.enum(name="UserState", description="Whether a user may be here")
class UserState(Enum):
    """Whether a user may be here."""

    active = "active"
    blocked = "blocked"


@strawberry.type(description="An add-on that is owned, with its seats")
class AddOnPurchase:
    """A purchase that counts now."""

    id: AddOnPurchaseID
    name: Enum = strawberry.field(graphql_type=AddOnType)
    assigned_quantity: int = strawberry.field(description="How many seats are given")
    purchased_quantity: int = strawberry.field(description="How many seats are owned now")


@strawberry.type(description="A user's seat")
class UserAddOnAssignment:
    """A seat."""

    add_on_purchase: AddOnPurchase


@strawberry.type(description="A user as one whom seats are given to")
class AddOnUser:
    """A user, and in which purchases they have a seat."""

    id: UserID
    name: str
    username: str
    state: UserState
    public_email: str | None
    last_activity_on: date | None
    seats: strawberry.Private[Mapping[int, AddOnPurchase]]

    @field(description="The user's seats in these purchases")
    def add_on_assignments(
        self, add_on_purchase_ids: list[AddOnPurchaseID]
    ) -> Connection[UserAddOnAssignment]:
        """All of them: there are no more than there are add-ons."""
        wanted = [each for each in dict.fromkeys(add_on_purchase_ids) if each in self.seats]
        held = [UserAddOnAssignment(add_on_purchase=self.seats[each]) for each in wanted]
        return connection(Stretch(items=held, start=0, total=len(held)))


def purchases_by_id(session: Session, now: datetime) -> dict[int, AddOnPurchase]:
    """All purchases that have a name here."""
    found = reports(session, root_namespace_id=ALL, now=now)
    return {each.purchase.id: shown_purchase(each) for each in found if is_named(each)}


def is_named(report: Report) -> bool:
    """Whether what was bought has a name in the enumeration."""
    return report.purchase.add_on in _ADD_ONS.values()


def shown_purchase(report: Report) -> AddOnPurchase:
    """A purchase that has a name here."""
    return AddOnPurchase(
        id=AddOnPurchaseID(report.purchase.id),
        name=AddOnType(report.purchase.add_on),
        assigned_quantity=report.assigned,
        purchased_quantity=report.quantity,
    )


def shown_users(
    found: Sequence[Candidate], purchases: Mapping[int, AddOnPurchase]
) -> list[AddOnUser]:
    """Users with their seats in these purchases."""
    return [
        AddOnUser(
            id=UserID(each.user.id),
            name=each.user.name,
            username=each.user.username,
            state=UserState(each.user.state),
            public_email=None,
            last_activity_on=each.last_active_at.date() if each.last_active_at else None,
            seats={key: purchases[key] for key in sorted(each.purchase_ids) if key in purchases},
        )
        for each in found
    ]
