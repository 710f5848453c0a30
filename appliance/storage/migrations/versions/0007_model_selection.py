"""Models that a gateway brings, and the choices of the instance and of groups."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIMES = ("created_at", "updated_at")


def upgrade() -> None:
    """Applies the change."""
    _create_offers()
    _create_instance_settings()
    _create_group_settings()
    further = sa.Column("further_endpoints", sa.JSON(), nullable=False, server_default="[]")
    op.add_column("self_hosted_models", further)
    op.add_column("self_hosted_models", sa.Column("max_in_flight", sa.Integer(), nullable=True))


def _times() -> list[sa.Column[object]]:
    return [sa.Column(name, UTCDateTime(), nullable=False) for name in _TIMES]


def _create_offers() -> None:
    op.create_table(
        "offered_models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", AutoString(), nullable=False),
        sa.Column("ref_key", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("provider", AutoString(), nullable=False),
        sa.Column("family", AutoString(), nullable=True),
        sa.Column("release_state", AutoString(), nullable=False),
        sa.Column("description", AutoString(), nullable=True),
        sa.Column("cost_indicator", AutoString(), nullable=True),
        sa.Column("context_tokens", sa.Integer(), nullable=True),
        sa.Column("is_served", sa.Boolean(), nullable=False),
        sa.Column("retired_at", UTCDateTime(), nullable=True),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offered_models")),
        sa.UniqueConstraint("ref_key", name=op.f("uq_offered_models_ref_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "offered_model_features",
        sa.Column("offered_model_id", sa.Integer(), nullable=False),
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_beta", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["offered_model_id"],
            ["offered_models.id"],
            name=op.f("fk_offered_model_features_offered_model_id_offered_models"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "offered_model_id", "feature", name=op.f("pk_offered_model_features")
        ),
    )
    op.create_table(
        "model_syncs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("tried_at", UTCDateTime(), nullable=False),
        sa.Column("succeeded_at", UTCDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("failure", AutoString(), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_syncs")),
    )


def _create_instance_settings() -> None:
    op.create_table(
        "feature_settings",
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("provider", AutoString(), nullable=False),
        sa.Column("default_ref", AutoString(), nullable=True),
        sa.Column("allows_all", sa.Boolean(), nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("feature", name=op.f("pk_feature_settings")),
    )
    op.create_index(op.f("ix_feature_settings_default_ref"), "feature_settings", ["default_ref"])
    op.create_table(
        "feature_setting_models",
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("ref", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature"],
            ["feature_settings.feature"],
            name=op.f("fk_feature_setting_models_feature_feature_settings"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("feature", "ref", name=op.f("pk_feature_setting_models")),
    )
    op.create_index(op.f("ix_feature_setting_models_ref"), "feature_setting_models", ["ref"])


def _create_group_settings() -> None:
    op.create_table(
        "namespace_choices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("model_ref", AutoString(), nullable=False),
        sa.Column("allows_all", sa.Boolean(), nullable=False),
        sa.Column("is_locked", sa.Boolean(), nullable=False),
        *_times(),
        sa.ForeignKeyConstraint(
            ["namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_namespace_choices_namespace_id_namespaces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_namespace_choices")),
        sa.UniqueConstraint(
            "namespace_id", "feature", name=op.f("uq_namespace_choices_namespace_id")
        ),
    )
    for column in ("feature", "model_ref"):
        name = op.f(f"ix_namespace_choices_{column}")
        op.create_index(name, "namespace_choices", [column])
    op.create_table(
        "namespace_choice_models",
        sa.Column("choice_id", sa.Integer(), nullable=False),
        sa.Column("ref", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["choice_id"],
            ["namespace_choices.id"],
            name=op.f("fk_namespace_choice_models_choice_id_namespace_choices"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("choice_id", "ref", name=op.f("pk_namespace_choice_models")),
    )
    name = op.f("ix_namespace_choice_models_ref")
    op.create_index(name, "namespace_choice_models", ["ref"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("self_hosted_models", "max_in_flight")
    op.drop_column("self_hosted_models", "further_endpoints")
    for table in (
        "namespace_choice_models",
        "namespace_choices",
        "feature_setting_models",
        "feature_settings",
        "model_syncs",
        "offered_model_features",
        "offered_models",
    ):
        op.drop_table(table)
