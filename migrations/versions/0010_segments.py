"""segments: saved rules over what is known of users."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, JsonText, NameText, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("app_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("name", NameText, nullable=False),
        sa.Column("rule", JsonText, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "name", name="pk_segments"),
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("segments")
