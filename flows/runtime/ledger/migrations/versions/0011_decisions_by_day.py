"""Decisions by their day, for reports of a period"""

from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_decisions_by_day", "decisions", ["decided_at"])
