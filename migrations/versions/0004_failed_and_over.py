"""Indexes of notifications that failed, for the list of dead letters, and of those that are over, for the purge."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_notifications_over": (["expired_at"], "expired_at IS NOT NULL"),
    "ix_notifications_failed": (["app_id", "failed_at"], "failed_at IS NOT NULL"),
}


def upgrade() -> None:
    for name, (columns, condition) in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "notifications", columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, table_name="notifications")
