"""Where a model is named, and what becomes of that when it goes or gets another ref."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.model_selection import tables
from appliance.model_selection.rules import FeatureSetting, Uses
from appliance.model_selection.usecases import choices, features
from appliance.model_selection.usecases.reading import offers
from appliance.model_selection.usecases.suspensions import (
    INSTANCE,
    MOST_IN_AN_ENTRY,
    Note,
    watch_tree,
)
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from gateway.contract.catalog import load_catalog

CAUSE = "model_released"


def uses_of(session: Session, ref: str) -> Uses:
    """Where the model is named: as a default, as allowed, as a group's choice."""
    named = tables.writing.choices_naming(session, ref)
    return Uses(
        features=tuple(tables.writing.features_naming(session, ref)),
        groups=len({group_id for groups in named.values() for group_id in groups}),
    )


def release(session: Session, ref: str, *, actor: Actor, now: datetime) -> None:
    """Resets what names the model: settings and choices fall back, lists lose it.

    Which choices stop counting as the instance says something else is told by the `watch` that
    this belongs in.
    """
    note = Note(cause=CAUSE, actor=actor, target=INSTANCE, now=now)
    _release_choices(session, ref, note=note)
    _release_settings(session, ref, note=note)


def rename(session: Session, old_ref: str, new_ref: str, *, now: datetime) -> None:
    """Lets everything that names the model follow it to its new ref."""
    named = tables.writing.features_naming(session, old_ref)
    chosen = tables.writing.choices_naming(session, old_ref)
    tables.writing.rename_ref(session, old_ref, new_ref, now=now)
    if named:
        publish(session, features.TOPIC, {"features": named, "change": "renamed"}, now=now)
    _publish_choices(session, chosen, now=now)


def _release_choices(session: Session, ref: str, *, note: Note) -> None:
    named = tables.writing.choices_naming(session, ref)
    dropped = tables.writing.choices_of_model(session, ref)
    offered = offers(session, load_catalog())
    known = [feature for feature in named if feature in offered]
    with watch_tree(session, offered, None, note=note, features=known):
        tables.writing.forget_ref(session, ref)
    for feature, group_ids in dropped.items():
        for start in range(0, len(group_ids), MOST_IN_AN_ENTRY):
            some = group_ids[start : start + MOST_IN_AN_ENTRY]
            details = {"feature": feature, "cause": CAUSE, "model": ref, "groups": some}
            record(
                session,
                "model_choice_reset",
                actor=note.actor,
                target=note.target,
                details=details,
                now=note.now,
            )
    _publish_choices(session, named, now=note.now)


def _release_settings(session: Session, ref: str, *, note: Note) -> None:
    before, named = (
        tables.features.all_settings(session),
        tables.writing.features_naming(session, ref),
    )
    for feature in named:
        was = before[feature]
        now_is = _without(was, ref, now=note.now)
        if now_is is None:
            tables.writing.delete_setting(session, feature)
        else:
            tables.writing.put_setting(session, now_is)
        change = "reset" if now_is is None else "changed"
        record(
            session,
            f"{features.TOPIC}_{change}",
            actor=note.actor,
            target=Target(kind=features.TOPIC, id=feature),
            details={
                "before": features.details_of(was),
                "after": features.details_of(now_is),
                "cause": CAUSE,
            },
            now=note.now,
        )
    if named:
        publish(session, features.TOPIC, {"features": named, "change": "changed"}, now=note.now)


def _without(setting: FeatureSetting, ref: str, *, now: datetime) -> FeatureSetting | None:
    if setting.default_ref == ref or setting.allowed is None:
        return None
    return replace(setting, allowed=setting.allowed - {ref}, updated_at=now)


def _publish_choices(
    session: Session, chosen: Mapping[str, Collection[int]], *, now: datetime
) -> None:
    group_ids = sorted({each for groups in chosen.values() for each in groups})
    if group_ids:
        payload = {"namespace_ids": group_ids, "features": sorted(chosen)}
        publish(session, choices.TOPIC, payload, now=now)
