"""What not everybody may read of the applications that a batch has decided"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch_chunks", sa.Column("restricted", sa.LargeBinary(), nullable=True))
