"""notifications, the pages of big audiences, and deliveries."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, JsonText, UtcDateTime, UuidText

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _index(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    op.create_index(
        name, table, columns, unique=unique, postgresql_where=sa.text(where), sqlite_where=sa.text(where)
    )


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(100), nullable=False),
        sa.Column("data", JsonText, nullable=False),
        sa.Column("priority", sa.String(8), nullable=False),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.Column("all_seq", sa.BigInteger(), nullable=True),
        sa.Column("excluded", JsonText, nullable=True),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("ttl", sa.Integer(), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("expired_at", UtcDateTime(), nullable=True),
        sa.Column("cancelled_at", UtcDateTime(), nullable=True),
        sa.Column("failed_at", UtcDateTime(), nullable=True),
        sa.Column("rescued_at", UtcDateTime(), nullable=True),
        sa.Column("error", JsonText, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("sender", sa.String(140), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("collapse_key", sa.String(128), nullable=True),
        sa.Column("cancel_key", sa.String(128), nullable=True),
        sa.Column("thread_key", sa.String(128), nullable=True),
        sa.Column("tags", JsonText, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "pages",
        sa.Column("notification_id", UuidText(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("names", JsonText, nullable=True),
        sa.Column("first_user", sa.BigInteger(), nullable=True),
        sa.Column("last_user", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=True),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", "number", name="pk_pages"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "deliveries",
        sa.Column("notification_id", UuidText(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(60), nullable=True),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("push_due_at", UtcDateTime(), nullable=True),
        sa.Column("held_until", UtcDateTime(), nullable=True),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("seen_at", UtcDateTime(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("archived_at", UtcDateTime(), nullable=True),
        sa.Column("snoozed_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", "user_id", name="pk_deliveries"),
        sa.UniqueConstraint("user_id", "seq", name="uq_deliveries_user_id_seq"),
        postgresql_with={"fillfactor": 85},
        **TABLE_OPTIONS,
    )
    everyone = "all_seq IS NOT NULL"
    unpublished = "published_at IS NULL"
    name = "notifications"
    _index("uq_notifications_all_seq", name, ["app_id", "all_seq"], where=everyone, unique=True)
    _index("ix_notifications_everyone", name, ["app_id", "everyone", "expires_at"], where=everyone)
    _index("ix_notifications_unpublished", name, ["published_at", "stored_at"], where=unpublished)
    _index("ix_notifications_expiring", name, ["expired_at", "expires_at"], where="expired_at IS NULL")
    _index("ix_pages_unpublished", "pages", ["published_at", "created_at"], where=unpublished)


def downgrade() -> None:
    for table in ("deliveries", "pages", "notifications"):
        op.drop_table(table)
