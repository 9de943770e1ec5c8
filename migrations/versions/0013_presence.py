"""When users were last seen, and the log of their connections."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText, BigId, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("last_seen_at", UtcDateTime(), nullable=True))
    op.create_table(
        "connection_logs",
        sa.Column("id", BigId, nullable=False),
        sa.Column("connection", AsciiText(48), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("node", AsciiText(32), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(123), nullable=True),
        sa.Column("duration", sa.BigInteger(), nullable=True),
        sa.Column("sign_in", sa.String(16), nullable=False),
        sa.Column("dialect", sa.String(16), nullable=False),
        sa.Column("address", sa.String(45), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_connection_logs"),
        sa.UniqueConstraint("connection", name="uq_connection_logs_connection"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_connection_logs_user_id", "connection_logs", ["user_id", "opened_at", "id"])
    op.create_index("ix_connection_logs_closed_at", "connection_logs", ["closed_at"])
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_connection_logs_node",
        "connection_logs",
        ["node"],
        postgresql_where=still_open,
        sqlite_where=still_open,
    )


def downgrade() -> None:
    op.drop_table("connection_logs")
    op.drop_column("users", "last_seen_at")
