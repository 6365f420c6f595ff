"""Standard words, and runs of the desk's own, each mapped to a Prefect flow run"""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_RENAMED = {
    "place": "crash_place",
    "count": "crashes",
    "alone": "is_quarantined",
    "alone_at": "quarantine_at",
    "alone_count": "quarantine_crashes",
    "put_off": "retries",
    "put_off_at": "retried_at",
    "false_starts": "startup_failures",
    "false_start_in": "startup_failed_in",
    "not_before": "not_before",
}

_runs = sa.table(
    "runs",
    *(sa.column(name, sa.String) for name in ("run_id", "application_id", "origin")),
    *(sa.column(name, sa.String) for name in ("flow_run_id", "status", "traceparent")),
    *(sa.column(name, sa.String) for name in ("submitted_by", "created_at", "updated_at")),
    *(sa.column(name, sa.JSON) for name in ("retry_state", "options", "versions", "state")),
)
_applications = sa.table(
    "applications",
    sa.column("application_id", sa.String),
    sa.column("order", sa.JSON),
    sa.column("received_at", sa.String),
)


def upgrade() -> None:
    op.rename_table("papers", "documents")
    op.alter_column("documents", "paper_id", new_column_name="document_id")
    with op.batch_alter_table("runs") as runs:
        runs.alter_column("deaths", new_column_name="retry_state")
        runs.add_column(
            sa.Column("flow_run_id", sa.String(length=64), nullable=False, server_default="")
        )
        runs.create_index("ix_runs_flow_run_id", ["flow_run_id"])
    connection = op.get_bind()
    # Until now the id of the flow run was the run's own.
    connection.execute(_runs.update().values(flow_run_id=_runs.c.run_id))
    _rename_keys(connection)
    _enter_missing_runs(connection)
    with op.batch_alter_table("applications") as applications:
        applications.drop_column("order")


def _rename_keys(connection: sa.Connection) -> None:
    """What a run's row counts gets the names of `RetryState`."""
    for run_id, counted in list(connection.execute(sa.select(_runs.c.run_id, _runs.c.retry_state))):
        if counted:
            renamed = {_RENAMED[name]: value for name, value in counted.items()}
            here = _runs.c.run_id == run_id
            connection.execute(_runs.update().where(here).values(retry_state=renamed))


def _enter_missing_runs(connection: sa.Connection) -> None:
    """An application whose run Prefect had not been told of gets its run."""
    entered = sa.select(_runs.c.origin)
    origin = sa.literal("application:") + _applications.c.application_id
    for row in list(connection.execute(sa.select(_applications).where(origin.not_in(entered)))):
        asked: dict[str, Any] = row.order
        connection.execute(
            _runs.insert().values(
                run_id=str(uuid4()),
                application_id=row.application_id,
                origin=f"application:{row.application_id}",
                flow_run_id="",
                status="queued",
                traceparent=asked.get("traceparent", ""),
                submitted_by=asked.get("submitted_by", ""),
                created_at=row.received_at,
                updated_at=row.received_at,
                retry_state={},
                options=asked.get("options", {}),
                versions={},
                state={},
            )
        )
