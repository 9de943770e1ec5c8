"""When a notification is to be sent, deliveries that are held until later, and what replaces what; caps of an app."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import JsonText, UtcDateTime, UuidText

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_notifications_due": ("notifications", ["due_at"], "due_at IS NOT NULL"),
    "ix_notifications_collapse_key": (
        "notifications",
        ["app_id", "collapse_key"],
        "collapse_key IS NOT NULL",
    ),
    "ix_notifications_cancel_key": ("notifications", ["app_id", "cancel_key"], "cancel_key IS NOT NULL"),
    "ix_notifications_cancelled": (
        "notifications",
        ["cancelled_at"],
        "cancelled_at IS NOT NULL AND expired_at IS NULL",
    ),
    "ix_deliveries_held": ("deliveries", ["held_until"], "held_until IS NOT NULL"),
}


def _unpublished(columns: list[str], condition: str) -> None:
    name, where = "ix_notifications_unpublished", sa.text(condition)
    op.drop_index(name, table_name="notifications")
    op.create_index(name, "notifications", columns, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    op.add_column("notifications", sa.Column("send_at", UtcDateTime(), nullable=True))
    op.add_column("notifications", sa.Column("local_at", sa.String(19), nullable=True))
    op.add_column("notifications", sa.Column("due_at", UtcDateTime(), nullable=True))
    # Nothing that is scheduled may be in the way of what is to be published: there may be a million of them.
    _unpublished(["published_at", "due_at", "stored_at"], "published_at IS NULL AND due_at IS NULL")
    op.add_column("deliveries", sa.Column("released_at", UtcDateTime(), nullable=True))
    op.add_column("deliveries", sa.Column("replaces", UuidText(), nullable=True))
    op.add_column("apps", sa.Column("caps", JsonText, nullable=True))
    for name, (table, columns, condition) in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table_name=table)
    op.drop_column("apps", "caps")
    for name in ("replaces", "released_at"):
        op.drop_column("deliveries", name)
    _unpublished(["published_at", "stored_at"], "published_at IS NULL")
    for name in ("due_at", "local_at", "send_at"):
        op.drop_column("notifications", name)
