"""The people of an application by keyed digests, and the notes that people write on its case"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parties",
        sa.Column("application_id", sa.String(length=64), nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("number_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("amount", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("filed_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("application_id", "part", name=op.f("pk_parties")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_parties_number_digest"), "parties", ["number_digest"])
    op.create_index(op.f("ix_parties_name_digest"), "parties", ["name_digest"])
    op.create_table(
        "notes",
        sa.Column("note_id", sa.String(length=64), nullable=False),
        sa.Column("application_id", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("author", sa.String(length=128), nullable=False),
        sa.Column("author_principal", sa.String(length=128), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("written_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("note_id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_of_application", "notes", ["application_id", "written_at"])
