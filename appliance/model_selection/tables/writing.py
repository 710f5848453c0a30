"""Stores what the instance and groups say of features, and finds and follows the refs in it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select as columns
from sqlmodel import col, delete, or_, select, update

from appliance.model_selection.rules.values import FeatureSetting
from appliance.model_selection.tables.choices import ChoiceRow, NarrowedModelRow
from appliance.model_selection.tables.features import AllowedModelRow, FeatureSettingRow
from appliance.storage.engine import Session
from gateway.contract.selection import Choice


def put_setting(session: Session, setting: FeatureSetting) -> None:
    """Stores what the instance says of a feature, in place of what it said."""
    row = session.get(FeatureSettingRow, setting.feature)
    created_at = setting.updated_at if row is None else row.created_at
    delete_setting(session, setting.feature)
    session.add(
        FeatureSettingRow(
            feature=setting.feature,
            provider=setting.provider,
            default_ref=setting.default_ref,
            allows_all=setting.allowed is None,
            is_locked=setting.is_locked,
            created_at=created_at,
            updated_at=setting.updated_at,
        )
    )
    session.flush()
    session.add_all(
        AllowedModelRow(feature=setting.feature, ref=ref) for ref in sorted(setting.allowed or ())
    )
    session.flush()


def delete_setting(session: Session, feature: str) -> None:
    """Forgets what the instance says of a feature."""
    session.exec(delete(AllowedModelRow).where(col(AllowedModelRow.feature) == feature))
    session.exec(delete(FeatureSettingRow).where(col(FeatureSettingRow.feature) == feature))


def put_choice(session: Session, namespace_id: int, choice: Choice, *, now: datetime) -> None:
    """Stores a group's choice, in place of what it chose for that feature."""
    made = select(ChoiceRow.created_at).where(ChoiceRow.namespace_id == namespace_id)
    created_at = session.exec(made.where(ChoiceRow.feature == choice.feature)).first() or now
    delete_choices(session, namespace_id, [choice.feature])
    row = ChoiceRow(
        namespace_id=namespace_id,
        feature=choice.feature,
        model_ref=choice.model,
        allows_all=choice.narrowed_to is None,
        is_locked=choice.is_locked,
        created_at=created_at,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    session.add_all(
        NarrowedModelRow(choice_id=row.id or 0, ref=ref) for ref in sorted(choice.narrowed_to or ())
    )
    session.flush()


def delete_choices(session: Session, namespace_id: int, features: Collection[str]) -> None:
    """Forgets what a group chose for some features."""
    ids = select(ChoiceRow.id).where(
        ChoiceRow.namespace_id == namespace_id, col(ChoiceRow.feature).in_(features)
    )
    session.exec(delete(NarrowedModelRow).where(col(NarrowedModelRow.choice_id).in_(ids)))
    session.exec(
        delete(ChoiceRow).where(
            col(ChoiceRow.namespace_id) == namespace_id, col(ChoiceRow.feature).in_(features)
        )
    )


def features_naming(session: Session, ref: str) -> Sequence[str]:
    """The features whose setting names the model, as the default or as allowed, in order."""
    defaults = select(FeatureSettingRow.feature).where(FeatureSettingRow.default_ref == ref)
    allowed = select(AllowedModelRow.feature).where(AllowedModelRow.ref == ref)
    return sorted({*session.exec(defaults), *session.exec(allowed)})


def choices_naming(session: Session, ref: str) -> Mapping[str, Collection[int]]:
    """The groups whose choice names the model, as chosen or as one that it narrows to."""
    narrowing = select(NarrowedModelRow.choice_id).where(NarrowedModelRow.ref == ref)
    query = columns(col(ChoiceRow.feature), col(ChoiceRow.namespace_id)).where(
        or_(col(ChoiceRow.model_ref) == ref, col(ChoiceRow.id).in_(narrowing))
    )
    found: dict[str, set[int]] = defaultdict(set)
    for feature, namespace_id in session.execute(query):
        found[feature].add(namespace_id)
    return found


def choices_of_model(session: Session, ref: str) -> Mapping[str, Sequence[int]]:
    """The groups that chose the model, by feature, in order."""
    query = columns(col(ChoiceRow.feature), col(ChoiceRow.namespace_id))
    query = query.where(col(ChoiceRow.model_ref) == ref)
    found: dict[str, list[int]] = defaultdict(list)
    for feature, namespace_id in session.execute(query.order_by(col(ChoiceRow.namespace_id))):
        found[feature].append(namespace_id)
    return found


def forget_ref(session: Session, ref: str) -> None:
    """Drops the choices of the model, and the model from what the others narrow to."""
    ids = select(ChoiceRow.id).where(ChoiceRow.model_ref == ref)
    session.exec(delete(NarrowedModelRow).where(col(NarrowedModelRow.choice_id).in_(ids)))
    session.exec(delete(ChoiceRow).where(col(ChoiceRow.model_ref) == ref))
    session.exec(delete(NarrowedModelRow).where(col(NarrowedModelRow.ref) == ref))


def rename_ref(session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
    """Writes the new ref wherever the old one stands."""
    for row in (FeatureSettingRow, ChoiceRow):
        name = "default_ref" if row is FeatureSettingRow else "model_ref"
        column = getattr(row, name)
        session.exec(
            update(row).where(col(column) == old_ref).values({name: new_ref, "updated_at": now})
        )
    for listed in (AllowedModelRow, NarrowedModelRow):
        session.exec(update(listed).where(col(listed.ref) == old_ref).values(ref=new_ref))
