"""Draws facts about users, organisations and what is chosen in them."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from appliance.explanations.rules import AskedModel, Facts, Selection
from appliance.feature_flags.rules import load_definitions
from appliance.licensing.rules import Holding, Item, Purchase, holding
from gateway.contract.selection import SWITCHING_FLAG, Choice, Feature
from tests.appliance.explanations.builders import (
    CATALOG,
    a_namespace,
    a_seat,
    an_item,
    an_offered_model,
    everything,
    expired,
    future,
    in_grace,
    some_facts,
)
from tests.instance_builders import NOW, a_model, a_user

FLAGS = sorted(load_definitions())
STATES = [None, "ready", "unreachable"]


def rarely(draw: st.DrawFn) -> bool:
    # Not at an end of the range, which hypothesis likes to draw.
    return draw(st.integers(0, 15)) == 11


@st.composite
def items(draw: st.DrawFn, add_on: str) -> Item:
    kinds: list[Callable[..., Item]] = [an_item, an_item, expired, in_grace, future]
    made = draw(st.sampled_from(kinds))
    beside = CATALOG.add_ons[add_on].accompanies
    accompanies = draw(st.sampled_from(beside)) if beside else None
    item: Item = made(quantity=draw(st.integers(1, 2)), accompanies=accompanies)
    return item


@st.composite
def organisations(draw: st.DrawFn) -> Sequence[Holding]:
    """Purchases of every kind and age, and which of them the user holds a seat of."""
    names = draw(st.lists(st.sampled_from(sorted(CATALOG.add_ons)), unique=True))
    owned = [
        Purchase(
            id=number,
            add_on=name,
            root_namespace_id=None,
            items=tuple(draw(st.lists(items(name), max_size=2))),
        )
        for number, name in enumerate(names, 1)
    ]
    found = []
    for purchase in owned:
        seat = None
        if CATALOG.add_ons[purchase.add_on].has_seats and draw(st.booleans()):
            seat = a_seat(purchase.id, is_over_limit=draw(st.booleans()))
        found.append(holding(purchase, seat, owned=owned, catalog=CATALOG, at=NOW))
    return found


@st.composite
def asked_models(draw: st.DrawFn, ref: str) -> AskedModel:
    if rarely(draw):
        return AskedModel(ref=ref, registered=None, state=None)
    provider = draw(st.sampled_from(["shm", *CATALOG.providers]))
    state: Any = draw(st.sampled_from(STATES))
    if draw(st.booleans()):
        brought = an_offered_model(
            provider=provider, why_unusable="Gone." if rarely(draw) else None
        )
        return AskedModel(ref=ref, registered=None, offered=brought, state=state)
    registered = a_model(provider=provider, is_enabled=not rarely(draw))
    return AskedModel(ref=ref, registered=registered, state=state)


REFS = st.sampled_from(["tiny", "tiny", "big", "huge"])
LAB = a_namespace()
TEAM = a_namespace(id=5, parent_id=4, ancestry=(4, 5), depth=2, full_path="lab/team")


@st.composite
def offers(draw: st.DrawFn, name: str) -> Feature:
    if rarely(draw):
        return Feature(name=name, is_disabled=True)
    selectable = draw(st.frozensets(REFS))
    default = draw(st.sampled_from([None, *sorted(selectable)]))
    return Feature(
        name=name, default=default, selectable=selectable, is_locked=rarely(draw) or rarely(draw)
    )


@st.composite
def chosen(draw: st.DrawFn, feature: str) -> Choice:
    model, left = draw(REFS), draw(st.none() | st.frozensets(REFS))
    return Choice(feature, model, draw(st.booleans()), None if left is None else left | {model})


@st.composite
def selections(draw: st.DrawFn, feature: str, *, in_group: bool, may_switch: bool) -> Selection:
    chain = (LAB, TEAM) if in_group else ()
    named = draw(st.none() | REFS)
    return Selection(
        feature=feature,
        offer=draw(offers(feature)),
        chain=chain,
        chosen={each.id: draw(chosen(feature)) for each in chain if draw(st.booleans())},
        may_switch=may_switch,
        named=named,
    )


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    off = {draw(st.sampled_from(FLAGS))} if rarely(draw) else set()
    flags = frozenset(FLAGS) - off
    in_group = draw(st.booleans())
    unit_primitive = draw(st.sampled_from(["duo_chat", "complete_code", *CATALOG.unit_primitives]))
    feature = CATALOG.features_by_unit_primitive().get(unit_primitive)
    selection = None
    ref: str | None = draw(REFS)
    if feature is not None:
        may_switch = SWITCHING_FLAG in flags
        selection = draw(selections(feature, in_group=in_group, may_switch=may_switch))
        ref = selection.named or selection.held.model
    return some_facts(
        user=a_user(state="blocked" if rarely(draw) else "active"),
        unit_primitive=unit_primitive,
        flags=flags,
        namespace=TEAM if in_group else None,
        is_member=not in_group or not rarely(draw),
        holdings=draw(st.one_of(organisations(), st.builds(everything))),
        selection=selection,
        model=None if ref is None else draw(asked_models(ref)),
    )
