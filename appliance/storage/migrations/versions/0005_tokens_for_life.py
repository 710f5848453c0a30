"""Keys that rotate, grants that are revoked for everyone, gateways' clocks, instance settings."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEW_COLUMNS = {
    "signing_keys": (
        sa.Column("signs_since", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
    ),
    "gateways": (
        sa.Column("reported_kids", sa.JSON(), nullable=True),
        sa.Column("clock_skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("skew_measured_at", UTCDateTime(), nullable=True),
    ),
    "self_hosted_models": (
        sa.Column("is_enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("allowed_networks", sa.JSON(), nullable=False, server_default="[]"),
    ),
}


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "grant_eras",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("era", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant_eras")),
    )
    op.create_table(
        "instance_settings",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("value", AutoString(), nullable=False),
        sa.Column("previous_value", AutoString(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_instance_settings")),
    )
    for table, columns in _NEW_COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    # The key that has signed so far has done so since it was made.
    op.execute("UPDATE signing_keys SET signs_since = created_at WHERE state = 'current'")
    op.create_index(op.f("ix_outbox_created_at"), "outbox", ["created_at"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index(op.f("ix_outbox_created_at"), table_name="outbox")
    for table, columns in _NEW_COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
    op.drop_table("instance_settings")
    op.drop_table("grant_eras")
