"""What an admin says of features for the whole instance."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.model_selection import tables
from appliance.model_selection.rules import FeatureChange, FeatureSetting, FeatureView
from appliance.model_selection.rules.offering import offer_of
from appliance.model_selection.rules.views import feature_view
from appliance.model_selection.rules.wishes import Known, check_features, is_same, settings_of
from appliance.model_selection.usecases.offered import unlisted_refs
from appliance.model_selection.usecases.reading import read_pool
from appliance.model_selection.usecases.suspensions import INSTANCE, Note, note_offers
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from gateway.contract.catalog import Catalog

TOPIC = "feature_setting"
Settings = Mapping[str, FeatureSetting]


def list_features(session: Session, *, catalog: Catalog) -> Sequence[FeatureView]:
    """Every feature of the catalogue, in its order."""
    return _views(session, tuple(catalog.features), _known(session, catalog))


def get_feature(session: Session, feature: str, *, catalog: Catalog) -> FeatureView:
    """One feature.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
    """
    return _views(session, check_features([feature], catalog), _known(session, catalog))[0]


def change_features(
    session: Session, change: FeatureChange, *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[FeatureView]:
    """Sets some features alike, all of them or none; what is as wished already is left alone.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
        InvalidFieldsError: a model that cannot be chosen, or a wish that contradicts itself.
    """
    known = replace(_known(session, catalog), unlisted=unlisted_refs(session))
    before = tables.features.all_settings(session)
    wished = settings_of(change, known, stored=before, now=now)
    changed = [each for each in wished if not is_same(each, before.get(each.feature))]
    for setting in changed:
        tables.writing.put_setting(session, setting)
    names = [each.feature for each in changed]
    _tell(session, before, names, known=known, note=_note("changed", actor, now))
    return _views(session, [each.feature for each in wished], known)


def reset_features(
    session: Session, features: Sequence[str], *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[FeatureView]:
    """Forgets what was set of some features; what the gateway offers holds again.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
    """
    named = check_features(features, catalog)
    before = tables.features.all_settings(session)
    known = _known(session, catalog)
    changed = [feature for feature in named if feature in before]
    for feature in changed:
        tables.writing.delete_setting(session, feature)
    _tell(session, before, changed, known=known, note=_note("reset", actor, now))
    return _views(session, named, known)


def assign_everywhere(
    session: Session, ref: str, *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[str]:
    """Makes a model the default of each feature that it suits and that has no setting.

    Raises:
        NotFoundError: no such model.
    """
    model = read_pool(session, catalog).models.get(ref)
    if model is None:
        raise NotFoundError(what="Model")
    said = tables.features.all_settings(session)
    free = tuple(name for name in catalog.features if name in model.features - said.keys())
    if free:
        change = FeatureChange(features=free, default_ref=ref)
        change_features(session, change, catalog=catalog, actor=actor, now=now)
    return free


def details_of(setting: FeatureSetting | None) -> dict[str, Any] | None:
    """A setting as the audit tells it."""
    if setting is None:
        return None
    return {
        "provider": setting.provider,
        "default_model": setting.default_ref,
        "allowed_models": None if setting.allowed is None else sorted(setting.allowed),
        "locked": setting.is_locked,
    }


def _known(session: Session, catalog: Catalog) -> Known:
    return Known(pool=read_pool(session, catalog), catalog=catalog)


def _views(session: Session, names: Sequence[str], known: Known) -> Sequence[FeatureView]:
    said = tables.features.all_settings(session)
    return [
        feature_view(name, said.get(name), pool=known.pool, catalog=known.catalog) for name in names
    ]


def _note(change: str, actor: Actor, now: datetime) -> Note:
    return Note(cause=f"feature_setting_{change}", actor=actor, target=INSTANCE, now=now)


def _tell(
    session: Session, before: Settings, changed: Sequence[str], *, known: Known, note: Note
) -> None:
    """Tells the audit, the gateways, and of the choices that this bears on."""
    if not changed:
        return
    after = tables.features.all_settings(session)
    for name in changed:
        record(
            session,
            note.cause,
            actor=note.actor,
            target=Target(kind=TOPIC, id=name),
            details={
                "before": details_of(before.get(name)),
                "after": details_of(after.get(name)),
            },
            now=note.now,
        )
    payload = {"features": list(changed), "change": note.cause.removeprefix(f"{TOPIC}_")}
    publish(session, TOPIC, payload, now=note.now)
    was, now_is = (
        {name: offer_of(name, said.get(name), known.pool) for name in changed}
        for said in (before, after)
    )
    note_offers(session, was, now_is, note=note)
