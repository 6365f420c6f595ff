"""What happened to a decision after it was taken. Events are added and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.tables import decision_events


@dataclass(frozen=True)
class DecisionEvent:
    key: str
    body: dict[str, Any]
    by: str
    at: str


def record(
    connection: sa.Connection,
    decision_id: str,
    key: str,
    body: dict[str, Any],
    *,
    by: str,
    by_principal: str,
) -> bool:
    """Add an event in the caller's transaction. False when one with this key is there already."""
    return insert_or_ignore(
        connection,
        decision_events,
        {
            "decision_id": decision_id,
            "key": key,
            "body": body,
            "by": by,
            "by_principal": by_principal,
            "at": now(),
        },
    )


def of_decision(connection: sa.Connection, decision_id: str) -> list[DecisionEvent]:
    """The events of a decision, in the order in which they happened."""
    query = sa.select(decision_events).where(decision_events.c.decision_id == decision_id)
    return [
        DecisionEvent(row.key, dict(row.body), row.by, row.at)
        for row in connection.execute(query.order_by(decision_events.c.at, decision_events.c.key))
    ]
