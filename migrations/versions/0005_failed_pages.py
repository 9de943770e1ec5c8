"""What went wrong with one page of a big audience: how often, why, and since when it is given up."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import JsonText, UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The old version inserts pages without it while both run.
    op.add_column("pages", sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("pages", sa.Column("error", JsonText, nullable=True))
    op.add_column("pages", sa.Column("failed_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    for name in ("failed_at", "error", "failures"):
        op.drop_column("pages", name)
