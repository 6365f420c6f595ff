"""What was decided, entered once: whatever is killed, replayed or answered twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import RecordNotFoundError
from flows.runtime import runs
from flows.runtime.ledger import decisions, insert_or_ignore, now

_NAMESPACE = UUID("0b3c6a34-6a2e-4a43-8ab0-9ad7f6c5a1de")


def enter(connection: sa.Connection, run_id: str, content: Contract) -> None:
    """Enter a run's decision in the caller's transaction, unless there is one already."""
    run = runs.find(connection, run_id)
    insert_or_ignore(
        connection,
        decisions,
        {
            "run_id": run_id,
            "application_id": run.application_id,
            # One per application, also when a fork may decide in its parent's place.
            "origin": f"application:{run.application_id}",
            "decision_id": str(uuid5(_NAMESPACE, run_id)),
            "content_sha256": sha256_of(content),
            "body": content.model_dump(mode="json"),
            "decided_at": now(),
        },
    )


def find(connection: sa.Connection, run_id: str) -> dict[str, Any]:
    """The decision of a run in its envelope. Raises RecordNotFoundError while there is none."""
    row = connection.execute(sa.select(decisions).where(decisions.c.run_id == run_id)).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"run {run_id} has not come to a decision")
    return {
        "decision_id": row.decision_id,
        "run_id": row.run_id,
        "application_id": row.application_id,
        "decided_at": row.decided_at,
        "content": row.body,
        "content_sha256": row.content_sha256,
    }


def is_decided(connection: sa.Connection, application_id: str) -> bool:
    """Whether an application has its decision."""
    query = sa.select(decisions.c.run_id).where(decisions.c.application_id == application_id)
    return connection.execute(query.limit(1)).one_or_none() is not None


def of_runs(connection: sa.Connection, run_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The contents of several runs' decisions, by run; undecided ones are missing."""
    found = connection.execute(
        sa.select(decisions.c.run_id, decisions.c.body, decisions.c.content_sha256).where(
            decisions.c.run_id.in_(run_ids)
        )
    )
    return {row.run_id: {**row.body, "content_sha256": row.content_sha256} for row in found}
