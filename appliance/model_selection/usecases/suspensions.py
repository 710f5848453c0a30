"""Tells the audit which choices of groups stop counting, or count again, by a change elsewhere."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.model_selection import tables
from appliance.model_selection.rules import Pool
from appliance.model_selection.rules.counting import (
    Models,
    Said,
    counting,
    decides_alike,
    difference,
    with_new_refs,
)
from appliance.model_selection.usecases.reading import offers, offers_from, read_pool
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import get_namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog
from gateway.contract.selection import Feature

INSTANCE = Target(kind="instance", id="")
# So that no entry grows beyond what can be read.
MOST_IN_AN_ENTRY = 500

Offers = Mapping[str, Feature]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the audit is told of a change: why, by whom, to what, and when."""

    cause: str
    actor: Actor
    target: Target
    now: datetime


@contextmanager
def watch(
    session: Session,
    catalog: Catalog,
    *,
    cause: str,
    actor: Actor,
    now: datetime,
    below: Namespace | None = None,
) -> Iterator[None]:
    """Compares which choices count before and after what happens inside.

    Without `below` only models and the instance's settings may change inside; with it, only the
    choices in that group and below it, and where it lies. `cause` is a few words for the audit.
    """
    if below is None:
        note = Note(cause=cause, actor=actor, target=INSTANCE, now=now)
        pool = read_pool(session, catalog)
        before = offers_from(session, pool, catalog)
        yield
        pool_after = read_pool(session, catalog)
        renamed = _renamed(pool, pool_after)
        in_new_refs = {name: with_new_refs(each, renamed) for name, each in before.items()}
        note_offers(session, in_new_refs, offers_from(session, pool_after, catalog), note=note)
    else:
        note = Note(cause=cause, actor=actor, target=group_target(below.id), now=now)
        with watch_tree(session, offers(session, catalog), below, note=note):
            yield


def group_target(namespace_id: int) -> Target:
    """A group, as the audit names it."""
    return Target(kind="group", id=str(namespace_id))


def note_offers(session: Session, before: Offers, after: Offers, *, note: Note) -> None:
    """Notes the choices that count no more or again, as the instance now says something else."""
    for feature in after:
        if decides_alike(before[feature], after[feature]):
            continue
        # One feature at a time, as there may be a choice of every group for each.
        said = tables.walking.said_of(session, [feature], tree=None)[feature]
        stored = _stored(said)
        lost, found = difference(
            counting(before[feature], said), counting(after[feature], said), stored=(stored, stored)
        )
        _note(session, feature, (lost, found), note=note)


@contextmanager
def watch_tree(
    session: Session,
    said_above: Offers,
    tree: Namespace | None,
    *,
    note: Note,
    features: Collection[str] | None = None,
) -> Iterator[None]:
    """Compares the choices in a group and below it, as those there and its place may change.

    `said_above` is what the instance says throughout. `tree` None: of all groups; `features` None:
    for all.
    """
    asked = said_above.keys() if features is None else features
    before = tables.walking.said_of(session, asked, tree=tree)
    yield
    # It may lie elsewhere now.
    place = None if tree is None else get_namespace(session, tree.id)
    after = tables.walking.said_of(session, asked, tree=place)
    for feature in asked:
        offer = said_above[feature]
        lost, found = difference(
            counting(offer, before[feature]),
            counting(offer, after[feature]),
            stored=(_stored(before[feature]), _stored(after[feature])),
        )
        _note(session, feature, (lost, found), note=note)


def _stored(said: Sequence[Said]) -> Models:
    return {each.group_id: each.choice.model for each in said}


def _renamed(before: Pool, after: Pool) -> Mapping[str, str]:
    old = {each.self_hosted_id: each.ref for each in before.models.values() if each.self_hosted_id}
    return {
        old[each.self_hosted_id]: each.ref
        for each in after.models.values()
        if each.self_hosted_id in old
    }


def _note(
    session: Session, feature: str, lost_and_found: tuple[Models, Models], *, note: Note
) -> None:
    actions = ("model_choice_suspended", "model_choice_restored")
    for action, models in zip(actions, lost_and_found, strict=True):
        choices = [{"namespace_id": each, "model": models[each]} for each in sorted(models)]
        for start in range(0, len(choices), MOST_IN_AN_ENTRY):
            details = {
                "feature": feature,
                "cause": note.cause,
                "choices": choices[start : start + MOST_IN_AN_ENTRY],
            }
            record(
                session,
                action,
                actor=note.actor,
                target=note.target,
                details=details,
                now=note.now,
            )
