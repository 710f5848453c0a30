"""When a gateway last had a stream of the feed open."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column("gateways", sa.Column("streamed_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("gateways", "streamed_at")
