"""Accounts, their sessions and refresh tokens; users that are disabled."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText, UtcDateTime, UuidText

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled_at", UtcDateTime(), nullable=True))
    some = sa.text("disabled_at IS NOT NULL")
    op.create_index(
        "ix_users_app_id_disabled_at",
        "users",
        ["app_id", "disabled_at"],
        postgresql_where=some,
        sqlite_where=some,
    )
    op.create_table(
        "accounts",
        sa.Column("user_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("hash", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_accounts"),
        sa.UniqueConstraint("app_id", "username", name="uq_accounts_app_id_username"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "sessions",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.String(120), nullable=False),
        sa.Column("client", AsciiText(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_last_used_at", "sessions", ["last_used_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("hash", AsciiText(64), nullable=False),
        sa.Column("session_id", UuidText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("successor", AsciiText(64), nullable=True),
        sa.PrimaryKeyConstraint("hash", name="pk_refresh_tokens"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_index("ix_refresh_tokens_used_at", "refresh_tokens", ["used_at"])


def downgrade() -> None:
    op.drop_table("refresh_tokens")
    op.drop_table("sessions")
    op.drop_table("accounts")
    op.drop_index("ix_users_app_id_disabled_at", "users")
    op.drop_column("users", "disabled_at")
