"""api_keys: the digests of the keys that let backends in."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText, JsonText, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", AsciiText(8), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hash", AsciiText(64), nullable=False),
        sa.Column("scopes", JsonText, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_api_keys_app_id"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_api_keys_app_id", "api_keys", ["app_id"])


def downgrade() -> None:
    op.drop_table("api_keys")
