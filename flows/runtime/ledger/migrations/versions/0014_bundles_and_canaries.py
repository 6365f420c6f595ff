"""Named bundles of versions, canaries of one, and which bundle is in force"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _text(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False)


def upgrade() -> None:
    op.create_table(
        "bundles",
        _text("name", 64),
        sa.Column("body", sa.JSON(), nullable=False),
        _text("pinned", 64),
        _text("workflow_version", 64),
        _text("created_by", 128),
        _text("created_by_principal", 128),
        _text("created_at", 32),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_bundles")),
    )
    op.create_table(
        "promotions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        _text("bundle", 64),
        _text("pinned", 64),
        _text("canary_id", 64),
        sa.Column("evidence", sa.JSON(), nullable=False),
        _text("promoted_by", 128),
        _text("promoted_by_principal", 128),
        _text("promoted_at", 32),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_promotions")),
    )
    op.create_table(
        "canaries",
        _text("canary_id", 64),
        _text("status", 64),
        _text("mode", 64),
        sa.Column("share", sa.Float(), nullable=False),
        _text("champion", 64),
        _text("champion_bundle", 64),
        _text("challenger", 64),
        _text("challenger_bundle", 64),
        _text("workflow_version", 64),
        sa.Column("evidence", sa.JSON(), nullable=False),
        _text("started_at", 32),
        _text("ended_at", 32),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("canary_id", name=op.f("pk_canaries")),
    )
    op.create_index("ix_canaries_by_status", "canaries", ["status", "started_at", "canary_id"])
    op.create_table(
        "canary_cases",
        _text("canary_id", 64),
        _text("application_id", 64),
        _text("arm", 64),
        _text("run_id", 64),
        _text("batch_id", 64),
        sa.Column("champion", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("challenger", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        _text("assigned_at", 32),
        sa.PrimaryKeyConstraint("canary_id", "application_id", name=op.f("pk_canary_cases")),
    )
    op.create_index(
        "ix_canary_cases_unmeasured",
        "canary_cases",
        ["canary_id"],
        sqlite_where=sa.text("is_settled IS 0"),
        postgresql_where=sa.text("is_settled IS false"),
    )
    op.create_table(
        "canary_acts",
        _text("canary_id", 64),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        _text("act", 64),
        _text("by", 128),
        _text("by_principal", 128),
        _text("at", 32),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("canary_id", "number", name=op.f("pk_canary_acts")),
    )
