"""Under which names the users are known outside of the instance."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "global_user_ids",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("global_id", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_global_user_ids_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_global_user_ids")),
        sa.UniqueConstraint("global_id", name=op.f("uq_global_user_ids_global_id")),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("global_user_ids")
