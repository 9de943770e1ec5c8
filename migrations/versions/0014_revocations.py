"""What Redis is still to be told of who may come in, and what it is told again after it was lost."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, BigId, UtcDateTime, UuidText

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("decided", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("revoked_before", sa.BigInteger(), nullable=True))
    some = sa.text("revoked_before IS NOT NULL")
    op.create_index(
        "ix_users_app_id_revoked_before",
        "users",
        ["app_id", "revoked_before"],
        postgresql_where=some,
        sqlite_where=some,
    )
    ended = sa.text("revoked_at IS NOT NULL")
    op.create_index(
        "ix_sessions_revoked_at",
        "sessions",
        ["revoked_at"],
        postgresql_where=ended,
        sqlite_where=ended,
    )
    op.create_table(
        "revocations",
        sa.Column("id", BigId, nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("session_id", UuidText(), nullable=True),
        sa.Column("decided", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocations"),
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("revocations")
    op.drop_index("ix_sessions_revoked_at", "sessions")
    op.drop_index("ix_users_app_id_revoked_before", "users")
    op.drop_column("users", "revoked_before")
    op.drop_column("users", "decided")
