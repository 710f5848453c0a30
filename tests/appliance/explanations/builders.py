"""Facts about a user who may do everything; a test says only what is wrong with them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec

from appliance.access_tokens.rules import effective, guards
from appliance.explanations.rules import AskedModel, Check, Facts, Selection, explain
from appliance.feature_flags.rules import GLOBAL_SWITCH, load_definitions
from appliance.licensing.rules import Holding, Item, Purchase, Seat, grant, holding
from appliance.licensing.tables import add_item, ensure_purchase
from appliance.licensing.tables.rows import AuthorityRow, LicenceRow
from appliance.model_selection.rules import SelectableModel
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog
from gateway.contract.events import Decision
from gateway.contract.selection import Feature
from tests.instance_builders import NOW, a_model, a_user

CATALOG = load_catalog()
CHAT_SWITCH = "ai_duo_chat_switch"
DAY = timedelta(days=1)
AUTHORITY = "SHA256:test"


def an_item(**changes: Any) -> Item:
    """Ten of something, for a year around now, with a fortnight of grace."""
    item = Item(
        licence_id=1,
        quantity=10,
        starts_at=NOW - 30 * DAY,
        ends_at=NOW + 335 * DAY,
        grace_ends_at=NOW + 349 * DAY,
        accompanies=None,
    )
    return replace(item, **changes)


def expired(**changes: Any) -> Item:
    ends = {"ends_at": NOW - 20 * DAY, "grace_ends_at": NOW - 6 * DAY}
    return an_item(**{**ends, **changes})


def in_grace(**changes: Any) -> Item:
    return an_item(**{"ends_at": NOW - DAY, "grace_ends_at": NOW + 13 * DAY, **changes})


def future(**changes: Any) -> Item:
    return an_item(starts_at=NOW + 10 * DAY, **changes)


def a_purchase(add_on: str, *items: Item, purchase_id: int = 1) -> Purchase:
    bought = items or (an_item(),)
    return Purchase(id=purchase_id, add_on=add_on, root_namespace_id=None, items=bought)


def a_seat(purchase_id: int = 1, **changes: Any) -> Seat:
    seat = Seat(
        id=1,
        purchase_id=purchase_id,
        user_id=7,
        given_at=NOW - DAY,
        given_by=None,
        is_over_limit=False,
    )
    return replace(seat, **changes)


def held(*bought: tuple[Purchase, Seat | None]) -> list[Holding]:
    """Purchases as they bear on the user, judged beside each other."""
    owned = [purchase for purchase, _ in bought]
    return [
        holding(purchase, seat, owned=owned, catalog=CATALOG, at=NOW) for purchase, seat in bought
    ]


def buy(
    session: Session,
    add_on: str,
    *,
    quantity: int = 10,
    root_namespace_id: int | None = None,
    **item: Any,
) -> int:
    """A licence for one add-on, as if its file had been read; the purchase's number."""
    if session.get(AuthorityRow, AUTHORITY) is None:
        session.add(
            AuthorityRow(
                fingerprint=AUTHORITY,
                public_key=b"k" * 32,
                is_demo=False,
                is_trusted=True,
                pinned_at=NOW,
            )
        )
        session.flush()
    row = LicenceRow(
        serial=str(uuid4()),
        authority=AUTHORITY,
        licensee="Lab",
        text="",
        issued_at=NOW,
        uploaded_at=NOW,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    purchase_id = ensure_purchase(session, add_on, root_namespace_id=root_namespace_id, now=NOW)
    line = an_item(licence_id=row.id, quantity=quantity, **item)
    add_item(session, line, purchase_id=purchase_id)
    session.flush()
    return purchase_id


def a_decision(**changes: Any) -> Decision:
    """A refusal as a gateway tells it."""
    decision = Decision(
        decision_id="01KAJ2Q2M0ABCDEFGHJKMNPQRS",
        happened_at=NOW.timestamp(),
        issuer="http://i",
        subject="opaque",
        code="feature_not_granted",
        unit_primitive="duo_chat",
        model="smollm2-135m-instruct",
    )
    return msgspec.structs.replace(decision, **changes)


def everything() -> list[Holding]:
    """Duo Enterprise with a seat, and as much self-hosting beside it."""
    return held(
        (a_purchase("duo_enterprise"), a_seat()),
        (
            a_purchase("duo_self_hosted", an_item(accompanies="duo_enterprise"), purchase_id=2),
            None,
        ),
    )


def a_namespace(**changes: Any) -> Namespace:
    namespace = Namespace(
        id=4,
        parent_id=None,
        root_id=4,
        ancestry=(4,),
        depth=1,
        name="Lab",
        path="lab",
        full_path="lab",
        description="",
        visibility="private",
        created_at=NOW,
    )
    return replace(namespace, **changes)


def an_asked_model(**changes: Any) -> AskedModel:
    return replace(AskedModel(ref="tiny", registered=a_model(), state="ready"), **changes)


def an_offered_model(**changes: Any) -> SelectableModel:
    """A model that the gateway brings for chat."""
    model = SelectableModel(
        ref="left",
        name="Left",
        kind="offered",
        provider="duo",
        family=None,
        release_state="GA",
        features=frozenset({"duo_chat"}),
    )
    return replace(model, **changes)


def a_selection(**changes: Any) -> Selection:
    """What decides for chat, where the instance offers two and uses the first."""
    offer = {"name": "duo_chat", "default": "tiny", "selectable": frozenset({"tiny", "big"})}
    said = {name: changes.pop(name) for name in tuple(changes) if name in Feature.__struct_fields__}
    return Selection(**{"feature": "duo_chat", "offer": Feature(**(offer | said)), **changes})


def some_facts(**changes: Any) -> Facts:
    """The facts; the grant follows from holdings and flags unless it is given."""
    fields: dict[str, Any] = {
        "at": NOW,
        "catalog": CATALOG,
        "user": a_user(),
        "unit_primitive": "duo_chat",
        "flags": frozenset({GLOBAL_SWITCH, CHAT_SWITCH}),
        "namespace": None,
        "is_member": True,
        "is_saas": False,
        "holdings": everything(),
        "model": an_asked_model(),
        **changes,
    }
    definitions = load_definitions()
    fields.setdefault("guards", guards(fields["unit_primitive"], CATALOG, definitions))
    bought = grant(fields["holdings"], CATALOG, at=NOW)
    left = effective(bought, fields["flags"], catalog=CATALOG, definitions=definitions)
    return Facts(**{"grant": left, **fields})


def checks_of(facts: Facts) -> Mapping[str, Check]:
    """The checks by name."""
    return {check.name: check for check in explain(facts).checks}


def deciding(facts: Facts) -> tuple[str, Check]:
    """The code of the refusal, and the check that decides it."""
    found = explain(facts)
    failing = [check for check in found.checks if check.state == "failed"]
    assert found.verdict == "refused"
    assert len(failing) == 1
    assert failing[0].change
    return str(found.code), failing[0]
