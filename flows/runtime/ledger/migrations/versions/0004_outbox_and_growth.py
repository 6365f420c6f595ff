"""An outbox for notifications; tombstones for erased data; a large ledger stays fast"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("notification_id", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_run_id", "outbox", ["run_id"])
    op.create_index("ix_outbox_next_try_at", "outbox", ["next_try_at"])
    op.create_index("ix_runs_by_status", "runs", ["status", "created_at", "run_id"])
    op.create_index("ix_reviews_by_due", "reviews", ["status", "due_at", "run_id"])
    op.add_column("documents", sa.Column("size", sa.Integer(), nullable=False, server_default="0"))
    for name, length in (("sha256", 64), ("filed_sha256", 64)):
        column = sa.Column(name, sa.String(length=length), nullable=False, server_default="")
        op.add_column("documents", column)
    op.add_column(
        "applications",
        sa.Column("erased_at", sa.String(length=32), nullable=False, server_default=""),
    )
    not_erased = sa.column("erased_at", sa.String) == ""
    op.create_index(
        "ix_applications_not_erased",
        "applications",
        ["received_at"],
        sqlite_where=not_erased,
        postgresql_where=not_erased,
    )
    op.create_index("ix_blobs_written_at", "blobs", ["written_at"])
    op.create_index("ix_checkpoints_storage_key", "checkpoints", ["storage_key"])
    unpurged = sa.column("purged_at", sa.String).is_(None)
    op.create_index(
        "ix_checkpoints_unpurged",
        "checkpoints",
        ["saved_at"],
        sqlite_where=unpurged,
        postgresql_where=unpurged,
    )
    principal = sa.String(length=128)
    op.add_column(
        "runs",
        sa.Column("submitted_by_principal", principal, nullable=False, server_default=""),
    )
    op.drop_index("ix_runs_status", "runs")
    op.drop_index("ix_reviews_status", "reviews")
