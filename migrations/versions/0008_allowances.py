"""allowances: what of the frequency caps a user has taken."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "allowances",
        sa.Column("user_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("cap", AsciiText(16), nullable=False),
        sa.Column("tat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "cap", name="pk_allowances"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_allowances_tat", "allowances", ["tat"])


def downgrade() -> None:
    op.drop_table("allowances")
