"""Recurring schedules, and what became of their instants."""

import sqlalchemy as sa
from alembic import op

from shared.models.types import TABLE_OPTIONS, AsciiText, JsonText, UtcDateTime, UuidText

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", UuidText(), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(100), nullable=True),
        sa.Column("cron", sa.String(120), nullable=True),
        sa.Column("every", sa.Integer(), nullable=True),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=True),
        sa.Column("end_at", UtcDateTime(), nullable=True),
        sa.Column("catch_up", sa.String(4), nullable=False),
        sa.Column("notification", JsonText, nullable=False),
        sa.Column("entry", JsonText, nullable=False),
        sa.Column("sender", sa.String(140), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("skip_at", UtcDateTime(), nullable=True),
        sa.Column("paused_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("request_key", AsciiText(64), nullable=True),
        sa.Column("request_print", AsciiText(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("app_id", "request_key", name="uq_schedules_app_id_request_key"),
        **TABLE_OPTIONS,
    )
    op.create_index("ix_schedules_app_id", "schedules", ["app_id", "id"])
    due = sa.text("next_at IS NOT NULL")
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"], postgresql_where=due, sqlite_where=due)
    op.create_table(
        "schedule_runs",
        sa.Column("schedule_id", UuidText(), nullable=False),
        sa.Column("fire_at", UtcDateTime(), nullable=False),
        sa.Column("notification_id", UuidText(), nullable=True),
        sa.Column("reason", sa.String(8), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=True),
        sa.Column("request_key", AsciiText(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("entered_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at", name="pk_schedule_runs"),
        sa.UniqueConstraint("notification_id", name="uq_schedule_runs_notification_id"),
        sa.UniqueConstraint("schedule_id", "request_key", name="uq_schedule_runs_schedule_id_request_key"),
        **TABLE_OPTIONS,
    )
    waiting = sa.text("entered_at IS NULL")
    op.create_index(
        "ix_schedule_runs_unentered",
        "schedule_runs",
        ["entered_at", "created_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_index("ix_schedule_runs_created_at", "schedule_runs", ["created_at"])


def downgrade() -> None:
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
