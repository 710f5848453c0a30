"""Reads the choices of many groups from the top of each tree downwards."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import col, or_

from appliance.model_selection.rules.counting import Said
from appliance.model_selection.tables.choices import ChoiceRow, NarrowedModelRow
from appliance.namespaces.rules import Namespace
from appliance.storage.engine import Row, Session
from gateway.contract.selection import Choice


def said_of(
    session: Session, features: Collection[str], *, tree: Namespace | None
) -> Mapping[str, Sequence[Said]]:
    """The choices for some features, each after those above it; two queries.

    With `tree` only those of that group, of those below it and of those above it.
    """
    # The foreign key binds the two tables; there is no other door to another concept's rows.
    groups = Row.metadata.tables["namespaces"]
    is_asked: list[Any] = [col(ChoiceRow.feature).in_(features)]
    if tree is not None:
        within = f"/{'/'.join(map(str, tree.ancestry))}/"
        is_above = groups.c.id.in_(tree.ancestry)
        # All of one tree; which of it is looked for among those alone.
        is_asked.append(groups.c.root_id == tree.root_id)
        is_asked.append(or_(is_above, groups.c.ancestry.startswith(within)))
    query = (
        columns(
            col(ChoiceRow.id),
            col(ChoiceRow.feature),
            groups.c.ancestry,
            col(ChoiceRow.model_ref),
            col(ChoiceRow.is_locked),
            col(ChoiceRow.allows_all),
        )
        .join(groups, groups.c.id == col(ChoiceRow.namespace_id))
        .where(*is_asked)
        .order_by(groups.c.depth, groups.c.id)
    )
    narrowed = _narrowed(session, is_asked)
    found: dict[str, list[Said]] = {feature: [] for feature in features}
    seen: dict[str, set[str]] = {feature: set() for feature in features}
    for number, feature, ancestry, model, is_locked, allows_all in session.execute(query):
        narrowed_to = None if allows_all else frozenset(narrowed[number])
        own, *higher = ancestry.strip("/").split("/")[::-1]
        above = next((each for each in higher if each in seen[feature]), None)
        seen[feature].add(own)
        choice = Choice(feature, model, is_locked, narrowed_to)
        found[feature].append(Said(int(own), None if above is None else int(above), choice))
    return found


def _narrowed(session: Session, is_asked: Sequence[Any]) -> dict[int, set[str]]:
    groups = Row.metadata.tables["namespaces"]
    query = (
        columns(col(NarrowedModelRow.choice_id), col(NarrowedModelRow.ref))
        .join(ChoiceRow, col(ChoiceRow.id) == col(NarrowedModelRow.choice_id))
        .join(groups, groups.c.id == col(ChoiceRow.namespace_id))
        .where(*is_asked)
    )
    narrowed: dict[int, set[str]] = defaultdict(set)
    for choice_id, ref in session.execute(query):
        narrowed[choice_id].add(ref)
    return narrowed
