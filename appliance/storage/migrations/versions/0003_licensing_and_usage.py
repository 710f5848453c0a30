"""What was bought and used: licences, purchases, seats, usage events and decisions."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    _create_licences()
    _create_purchases()
    _create_seats()
    _create_usage()
    _create_days_and_decisions()


def _create_licences() -> None:
    op.create_table(
        "licence_authorities",
        sa.Column("fingerprint", AutoString(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("pinned_at", UTCDateTime(), nullable=False),
        sa.Column("replaced_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_licence_authorities")),
    )
    op.create_table(
        "licences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("serial", AutoString(), nullable=False),
        sa.Column("authority", sa.String(), nullable=False),
        sa.Column("licensee", AutoString(), nullable=False),
        sa.Column("text", AutoString(), nullable=False),
        sa.Column("issued_at", UTCDateTime(), nullable=False),
        sa.Column("uploaded_at", UTCDateTime(), nullable=False),
        sa.Column("uploaded_by", sa.Integer(), nullable=True),
        sa.Column("removed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authority"],
            ["licence_authorities.fingerprint"],
            name=op.f("fk_licences_authority_licence_authorities"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licences")),
        sa.UniqueConstraint("serial", name=op.f("uq_licences_serial")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "licence_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("latest_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence_clock")),
    )


def _create_purchases() -> None:
    op.create_table(
        "add_on_purchases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("add_on", AutoString(), nullable=False),
        sa.Column("root_namespace_id", sa.Integer(), nullable=True),
        sa.Column("owner_key", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["root_namespace_id"],
            ["namespaces.id"],
            name=op.f("fk_add_on_purchases_root_namespace_id_namespaces"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_add_on_purchases")),
        sa.UniqueConstraint("owner_key", name=op.f("uq_add_on_purchases_owner_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_add_on_purchases_root_namespace_id"),
        "add_on_purchases",
        ["root_namespace_id"],
        unique=False,
    )
    op.create_table(
        "licence_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("licence_id", sa.Integer(), nullable=False),
        sa.Column("purchase_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("grace_ends_at", UTCDateTime(), nullable=False),
        sa.Column("accompanies", AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["licence_id"],
            ["licences.id"],
            name=op.f("fk_licence_items_licence_id_licences"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["add_on_purchases.id"],
            name=op.f("fk_licence_items_purchase_id_add_on_purchases"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence_items")),
    )
    op.create_index(
        op.f("ix_licence_items_licence_id"), "licence_items", ["licence_id"], unique=False
    )
    op.create_index(
        op.f("ix_licence_items_purchase_id"), "licence_items", ["purchase_id"], unique=False
    )


def _create_seats() -> None:
    op.create_table(
        "seats",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purchase_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("given_at", UTCDateTime(), nullable=False),
        sa.Column("given_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["purchase_id"],
            ["add_on_purchases.id"],
            name=op.f("fk_seats_purchase_id_add_on_purchases"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_seats_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seats")),
        sa.UniqueConstraint("purchase_id", "user_id", name=op.f("uq_seats_purchase_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_seats_user_id"), "seats", ["user_id"], unique=False)


def _create_usage() -> None:
    op.create_table(
        "usage_events",
        sa.Column("gateway_id", AutoString(), nullable=False),
        sa.Column("event_id", AutoString(), nullable=False),
        sa.Column("happened_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("request_id", AutoString(), nullable=False),
        sa.Column("issuer", AutoString(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("root_namespace_id", sa.Integer(), nullable=True),
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("unit_primitive", AutoString(), nullable=False),
        sa.Column("provider", AutoString(), nullable=False),
        sa.Column("model", AutoString(), nullable=False),
        sa.Column("outcome", AutoString(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("queue_ms", sa.Float(), nullable=True),
        sa.Column("first_token_ms", sa.Float(), nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("gateway_id", "event_id", name=op.f("pk_usage_events")),
    )
    op.create_index(
        op.f("ix_usage_events_happened_at"), "usage_events", ["happened_at"], unique=False
    )
    op.create_index(
        op.f("ix_usage_events_namespace_id"), "usage_events", ["namespace_id"], unique=False
    )
    op.create_index(
        op.f("ix_usage_events_root_namespace_id"),
        "usage_events",
        ["root_namespace_id"],
        unique=False,
    )
    op.create_index(
        "ix_usage_events_user_at", "usage_events", ["user_id", "happened_at"], unique=False
    )


def _create_days_and_decisions() -> None:
    op.create_table(
        "usage_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("feature", AutoString(), nullable=False),
        sa.Column("provider", AutoString(), nullable=False),
        sa.Column("model", AutoString(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "day",
            "feature",
            "provider",
            "model",
            "namespace_id",
            "user_id",
            name=op.f("pk_usage_days"),
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", AutoString(), nullable=False),
        sa.Column("gateway_id", AutoString(), nullable=False),
        sa.Column("happened_at", UTCDateTime(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("namespace_id", sa.Integer(), nullable=True),
        sa.Column("code", AutoString(), nullable=False),
        sa.Column("unit_primitive", AutoString(), nullable=False),
        sa.Column("provider", AutoString(), nullable=True),
        sa.Column("model", AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_happened_at"), "decisions", ["happened_at"], unique=False)
    op.create_index(op.f("ix_decisions_user_id"), "decisions", ["user_id"], unique=False)


def downgrade() -> None:
    """Takes the change back."""
    for table in (
        "decisions",
        "usage_days",
        "usage_events",
        "seats",
        "licence_items",
        "add_on_purchases",
        "licence_clock",
        "licences",
        "licence_authorities",
    ):
        op.drop_table(table)
