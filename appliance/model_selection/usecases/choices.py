"""What owners choose for their groups, from what the level above leaves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.accounts.rules import User
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.feature_flags.usecases import enabled_flags
from appliance.model_selection import tables
from appliance.model_selection.errors import ModelSwitchingOffError
from appliance.model_selection.rules import ChoiceChange, ChoiceView, Pool
from appliance.model_selection.rules.choosing import choices_of
from appliance.model_selection.rules.places import Place
from appliance.model_selection.rules.views import choice_view
from appliance.model_selection.rules.wishes import Known, check_features
from appliance.model_selection.usecases.offered import unlisted_refs
from appliance.model_selection.usecases.reading import chain_of, offers_from, read_pool
from appliance.model_selection.usecases.suspensions import Note, group_target, watch_tree
from appliance.namespaces.rules import AccessLevel, Namespace, check_level
from appliance.namespaces.usecases import access_level, namespaces_among, visible_namespace
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from gateway.contract.catalog import Catalog
from gateway.contract.selection import SWITCHING_FLAG, Choice

TOPIC = "group_choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who asks about which group, and what there is to choose from at all."""

    user: User
    namespace: Namespace
    pool: Pool
    catalog: Catalog


def list_choices(
    session: Session, user: User, namespace_id: int, *, catalog: Catalog, now: datetime
) -> Sequence[ChoiceView]:
    """Every feature of the catalogue as a group sees it, in the catalogue's order.

    Raises:
        NotFoundError: no such group, or the user has no role in it.
    """
    asked, _ = _asked(session, user, namespace_id, catalog=catalog, now=now)
    return _views(session, asked, tuple(catalog.features))


def change_choices(  # noqa: PLR0917  # who, where and what
    session: Session,
    user: User,
    namespace_id: int,
    change: ChoiceChange,
    *,
    catalog: Catalog,
    now: datetime,
) -> Sequence[ChoiceView]:
    """Chooses for some features alike, all of them or none; what is as wished is left alone.

    Raises:
        NotFoundError: no such group, or the user has no role in it.
        AccessLevelNeededError: the user does not own it.
        ModelSwitchingOffError: the flag is off for the user there.
        FeatureUnknownError: the catalogue has none of that name.
        FeatureDisabledError, LockedAboveError: the level above leaves no choice.
        InvalidFieldsError: a model that the level above does not offer.
    """
    asked, place = _open_place(session, user, namespace_id, catalog=catalog, now=now)
    known = Known(pool=asked.pool, catalog=catalog, unlisted=unlisted_refs(session))
    wished = choices_of(change, place, known)
    changed = {each.feature: each for each in wished if each != place.own_choice(each.feature)}
    note = _note("changed", asked, now)
    with watch_tree(session, place.offers, asked.namespace, note=note, features=changed):
        for choice in changed.values():
            tables.writing.put_choice(session, place.own_id, choice, now=now)
    _tell(session, place, changed, note=note)
    return _views(session, asked, [each.feature for each in wished])


def reset_choices(  # noqa: PLR0917  # who, where and what
    session: Session,
    user: User,
    namespace_id: int,
    features: Sequence[str],
    *,
    catalog: Catalog,
    now: datetime,
) -> Sequence[ChoiceView]:
    """Takes back what a group chose for some features; it inherits again.

    Raises:
        NotFoundError, AccessLevelNeededError, ModelSwitchingOffError: as `change_choices`.
        FeatureUnknownError: the catalogue has none of that name.
    """
    asked, place = _open_place(session, user, namespace_id, catalog=catalog, now=now)
    named = check_features(features, catalog)
    changed = {each: None for each in named if place.own_choice(each) is not None}
    note = _note("reset", asked, now)
    with watch_tree(session, place.offers, asked.namespace, note=note, features=changed):
        tables.writing.delete_choices(session, place.own_id, changed)
    _tell(session, place, changed, note=note)
    return _views(session, asked, named)


def _asked(
    session: Session, user: User, namespace_id: int, *, catalog: Catalog, now: datetime
) -> tuple[_Asked, AccessLevel]:
    namespace = visible_namespace(session, user, namespace_id, now=now)
    level = access_level(session, user, namespace, now=now)
    # Also of a public group: what its models are is its members' business.
    if level is None:
        raise NotFoundError(what="Group")
    pool = read_pool(session, catalog)
    return _Asked(user=user, namespace=namespace, pool=pool, catalog=catalog), level


def _open_place(
    session: Session, user: User, namespace_id: int, *, catalog: Catalog, now: datetime
) -> tuple[_Asked, Place]:
    """The group, if the user may choose for it now."""
    asked, level = _asked(session, user, namespace_id, catalog=catalog, now=now)
    check_level(level, AccessLevel.OWNER)
    place = _place(session, asked)
    if not place.may_switch:
        raise ModelSwitchingOffError
    return asked, place


def _place(session: Session, asked: _Asked) -> Place:
    namespace = asked.namespace
    groups = namespaces_among(session, namespace.ancestry)
    flags = enabled_flags(session, user=asked.user, namespaces=namespace.ancestry)
    return Place(
        chain=tuple(groups[each] for each in namespace.ancestry),
        said=chain_of(session, namespace),
        offers=offers_from(session, asked.pool, asked.catalog),
        may_switch=SWITCHING_FLAG in flags,
    )


def _views(session: Session, asked: _Asked, names: Sequence[str]) -> Sequence[ChoiceView]:
    place = _place(session, asked)
    return [choice_view(name, place, pool=asked.pool, catalog=asked.catalog) for name in names]


def _note(change: str, asked: _Asked, now: datetime) -> Note:
    return Note(
        cause=f"model_choice_{change}",
        actor=asked.user.actor,
        target=group_target(asked.namespace.id),
        now=now,
    )


def _tell(
    session: Session, place: Place, changed: Mapping[str, Choice | None], *, note: Note
) -> None:
    """Tells the audit and the gateways."""
    for feature, after in changed.items():
        details = {
            "feature": feature,
            "before": _details_of(place.own_choice(feature)),
            "after": _details_of(after),
        }
        record(
            session, note.cause, actor=note.actor, target=note.target, details=details, now=note.now
        )
    if changed:
        payload = {"namespace_id": place.own_id, "features": list(changed)}
        publish(session, TOPIC, payload, now=note.now)


def _details_of(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {
        "model": choice.model,
        "allowed_models": None if choice.narrowed_to is None else sorted(choice.narrowed_to),
        "locked": choice.is_locked,
    }
