"""What sweeps look for"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    owner = sa.column("lease_owner", sa.String)
    to_stop = sa.column("cancel_requested", sa.Boolean)
    delivered = sa.column("delivered", sa.Boolean)
    answered_at = sa.column("answered_at", sa.String)
    few = {
        ("ix_runs_leased", "runs", "lease_owner"): owner.is_not(None),
        ("ix_runs_to_stop", "runs", "cancel_requested"): to_stop.is_(sa.true()),
        ("ix_reviews_undelivered", "reviews", "delivered"): (
            delivered.is_(sa.false()) & answered_at.is_not(None)
        ),
    }
    for (name, table, column), where in few.items():
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)
