"""What became of decided applications, and what jobs have measured"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outcomes",
        sa.Column("application_id", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("observed_on", sa.String(length=32), nullable=False),
        sa.Column("forecast", sa.Float(), nullable=True),
        sa.Column("imported_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_outcomes")),
    )
    op.create_table(
        "measurements",
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("labels", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("measured_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("metric", "labels", name=op.f("pk_measurements")),
    )
    op.create_index("ix_batch_chunks_written", "batch_chunks", ["written_at"])
