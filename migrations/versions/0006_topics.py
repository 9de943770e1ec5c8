"""subscriptions to topics, and what of a notification's audience is not names."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, JsonText, TopicText, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("app_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("pattern", TopicText, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "pattern", "user_id", name="pk_subscriptions"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_subscriptions_user_id", "subscriptions", ["user_id"])
    op.add_column("notifications", sa.Column("audience", JsonText, nullable=True))


def downgrade() -> None:
    op.drop_column("notifications", "audience")
    op.drop_table("subscriptions")
