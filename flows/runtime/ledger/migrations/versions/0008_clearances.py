"""What a person cleared and a second one confirmed"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clearances",
        sa.Column("clearance_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=160), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("proposed_by", sa.String(length=128), nullable=False),
        sa.Column("proposed_by_principal", sa.String(length=128), nullable=False),
        sa.Column("proposed_at", sa.String(length=32), nullable=False),
        sa.Column("confirmed_by", sa.String(length=128), nullable=False, server_default=""),
        sa.Column(
            "confirmed_by_principal", sa.String(length=128), nullable=False, server_default=""
        ),
        sa.Column("confirmed_at", sa.String(length=32), nullable=False, server_default=""),
        sa.Column("valid_until", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("clearance_id", name=op.f("pk_clearances")),
    )
    op.create_index(op.f("ix_clearances_subject"), "clearances", ["subject"])
