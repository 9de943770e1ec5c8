"""Indexes of the list of notifications: those of an app, those in rare states, those of one key, each by id."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = "notifications"
_KEYS = ("collapse_key", "cancel_key")
_RARE = "status <> 'sent' AND status <> 'sending'"


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, _TABLE, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))


def upgrade() -> None:
    op.create_index("ix_notifications_listed", _TABLE, ["app_id", "id"])
    _index("ix_notifications_rare", ["app_id", "status", "id"], _RARE)
    _index("ix_notifications_thread_key", ["app_id", "thread_key", "id"], "thread_key IS NOT NULL")
    for key in _KEYS:
        op.drop_index(f"ix_notifications_{key}", table_name=_TABLE)
        _index(f"ix_notifications_{key}", ["app_id", key, "id"], f"{key} IS NOT NULL")


def downgrade() -> None:
    for key in _KEYS:
        op.drop_index(f"ix_notifications_{key}", table_name=_TABLE)
        _index(f"ix_notifications_{key}", ["app_id", key], f"{key} IS NOT NULL")
    for name in ("ix_notifications_thread_key", "ix_notifications_rare", "ix_notifications_listed"):
        op.drop_index(name, table_name=_TABLE)
