"""Decisions by their day, for reports of a period, and how long applications are kept"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_decisions_by_day", "decisions", ["decided_at"])
    for name, length in (("kept_until", 32), ("kept_for", 64), ("kept_by", 128)):
        added = sa.Column(name, sa.String(length=length), nullable=False, server_default="")
        op.add_column("applications", added)
