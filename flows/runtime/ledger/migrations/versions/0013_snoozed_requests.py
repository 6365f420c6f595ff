"""Requests that a reviewer has put aside for a while"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, length in (("snoozed_until", 32), ("snoozed_by", 128), ("snooze_reason", 500)):
        added = sa.Column(name, sa.String(length=length), nullable=False, server_default="")
        op.add_column("reviews", added)
