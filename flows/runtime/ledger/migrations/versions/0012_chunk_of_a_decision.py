"""In which chunk the decision of a batch lies, so that it is found by its application"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("chunk", sa.Integer(), nullable=True))
