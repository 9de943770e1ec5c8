"""apps, users and their streams; the app `main`, which everything belongs to that names no other."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText, BigId, JsonText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    apps = op.create_table(
        "apps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("epoch", AsciiText(16), nullable=False),
        sa.Column("all_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_apps"),
        sa.UniqueConstraint("name", name="uq_apps_name"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "users",
        sa.Column("id", BigId, nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(128), nullable=True),
        sa.Column("name_hash", AsciiText(64), nullable=False),
        sa.Column("attributes", JsonText, nullable=False),
        sa.Column("locale", sa.String(35), nullable=True),
        sa.Column("timezone", sa.String(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("erased_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("app_id", "name", name="uq_users_app_id_name"),
        sa.UniqueConstraint("app_id", "name_hash", name="uq_users_app_id_name_hash"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_users_app_id"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "streams",
        sa.Column("user_id", BigId, nullable=False, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("acked", sa.BigInteger(), nullable=False),
        sa.Column("all_acked", sa.BigInteger(), nullable=False),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("unseen", sa.Integer(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("archived", sa.Integer(), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_streams"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_streams_user_id"),
        postgresql_with={"fillfactor": 80},
        **TABLE_OPTIONS,
    )
    first = {"name": "main", "epoch": secrets.token_hex(8), "all_seq": 0, "created_at": datetime.now(UTC)}
    op.bulk_insert(apps, [first])


def downgrade() -> None:
    for table in ("streams", "users", "apps"):
        op.drop_table(table)
