"""Batches: their register, their finished chunks, the cases that they refer to people"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.String(length=64)
_AT = sa.String(length=32)
_PERSON = sa.String(length=128)


def upgrade() -> None:
    _let_batches_decide()
    _create_batches()
    op.create_table(
        "batch_chunks",
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.Column("rejects", sa.LargeBinary(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("written_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_batch_chunks")),
    )
    op.create_table(
        "batch_referrals",
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("application_id", _ID, nullable=False),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("status", _ID, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "line", name=op.f("pk_batch_referrals")),
    )
    op.create_index("ix_batch_referrals_run_id", "batch_referrals", ["run_id"])
    op.create_index("ix_batch_referrals_application_id", "batch_referrals", ["application_id"])
    unsettled = sa.column("status", sa.String) != "ended"
    op.create_index(
        "ix_batch_referrals_unsettled",
        "batch_referrals",
        ["status", "batch_id", "line"],
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("file_name", sa.String(length=300), nullable=False),
        sa.Column("is_copy", sa.Boolean(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("status", _ID, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.Column("taken_over", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("pinned", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("traceparent", _ID, nullable=False),
        sa.Column("submitted_by", _PERSON, nullable=False),
        sa.Column("submitted_by_principal", _PERSON, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("updated_at", _AT, nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("last_event_id", sa.Integer(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_created", "batches", ["created_at", "batch_id"])
    op.create_index("ix_batches_by_status", "batches", ["status", "created_at", "batch_id"])


def _let_batches_decide() -> None:
    """A decision is a run's or a batch's, and an application still has one at most.

    A batch's decision lies with its chunk.
    """
    with op.batch_alter_table("decisions") as table:
        table.drop_constraint("pk_decisions", type_="primary")
        table.drop_constraint("uq_decisions_origin", type_="unique")
        table.drop_constraint("uq_decisions_decision_id", type_="unique")
        table.drop_index("ix_decisions_application_id")
        table.drop_column("origin")
        table.alter_column("run_id", existing_type=_ID, nullable=True)
        table.alter_column("body", existing_type=sa.JSON(), nullable=True)
        table.add_column(sa.Column("batch_id", _ID, nullable=False, server_default=""))
        table.add_column(
            sa.Column("inputs_sha256", sa.String(length=64), nullable=False, server_default="")
        )
        table.create_primary_key("pk_decisions", ["decision_id"])
        table.create_unique_constraint("uq_decisions_run_id", ["run_id"])
        table.create_unique_constraint("uq_decisions_application_id", ["application_id"])
