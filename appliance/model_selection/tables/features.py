"""The rows of what the instance says of features."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import Column, ForeignKey, String
from sqlmodel import Field, col, or_, select

from appliance.model_selection.rules.values import FeatureSetting, SettingProvider
from appliance.storage.engine import Row, Session


class FeatureSettingRow(Row, table=True):
    """A feature's setting; with `allows_all` every model that suits, else those of its rows."""

    __tablename__ = "feature_settings"

    feature: str = Field(primary_key=True)
    provider: str
    default_ref: str | None = Field(default=None, index=True)
    allows_all: bool
    is_locked: bool
    created_at: datetime
    updated_at: datetime


class AllowedModelRow(Row, table=True):
    """A model that the instance allows for a feature."""

    __tablename__ = "feature_setting_models"

    feature: str = Field(
        sa_column=Column(
            String, ForeignKey("feature_settings.feature", ondelete="CASCADE"), primary_key=True
        )
    )
    ref: str = Field(primary_key=True, index=True)


def all_settings(session: Session) -> Mapping[str, FeatureSetting]:
    """Every setting of the instance, by feature; two queries."""
    allowed: dict[str, set[str]] = defaultdict(set)
    for model in session.exec(select(AllowedModelRow)):
        allowed[model.feature].add(model.ref)
    rows = session.exec(select(FeatureSettingRow)).all()
    return {row.feature: _setting_of(row, allowed[row.feature]) for row in rows}


def is_any_narrowing(session: Session) -> bool:
    """Whether any setting leaves groups less to choose from than there is."""
    narrows = or_(
        col(FeatureSettingRow.provider) == "disabled",
        col(FeatureSettingRow.is_locked),
        ~col(FeatureSettingRow.allows_all),
    )
    return (
        session.exec(select(FeatureSettingRow.feature).where(narrows).limit(1)).first() is not None
    )


def _setting_of(row: FeatureSettingRow, allowed: set[str]) -> FeatureSetting:
    return FeatureSetting(
        feature=row.feature,
        provider=cast("SettingProvider", row.provider),
        default_ref=row.default_ref,
        allowed=None if row.allows_all else frozenset(allowed),
        is_locked=row.is_locked,
        updated_at=row.updated_at,
    )
