"""The outbox: what a webhook is to be told, written in the transaction that it tells of.

A notification is delivered at least once. Its id follows from the run and the number of the event,
so a receiver recognises one that comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from flows.runtime.ledger.database import moment, now
from flows.runtime.ledger.tables import outbox

TOLD = (EventType.WAITING, EventType.HITL_REMINDED, EventType.HITL_ESCALATED)
"""The events that a webhook is told: each says that a person is waited for."""
GIVEN_UP_AFTER = timedelta(days=2)
"""A notification that no receiver took for so long is not sent any more."""
_LONGEST_DELAY_SECONDS = 600.0
_CLAIMED_SECONDS = 60.0
_NAMESPACE = UUID("0b6b1a0c-7f4f-4c1f-9a55-5a1d5d2f8f0e")


@dataclass(frozen=True)
class Notification:
    """One event that the webhook has not taken yet."""

    notification_id: str
    run_id: str
    event_id: int
    attempts: int
    next_try_at: str
    created_at: str

    @property
    def is_given_up(self) -> bool:
        return datetime.fromisoformat(self.created_at) < datetime.now(UTC) - GIVEN_UP_AFTER


def put(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Keep what these events tell, in the caller's transaction."""
    rows: list[dict[str, Any]] = [
        {
            "notification_id": str(uuid5(_NAMESPACE, f"{event.run_id}:{event.id}")),
            "run_id": event.run_id,
            "event_id": event.id,
            "attempts": 0,
            "next_try_at": now(),
            "created_at": now(),
        }
        for event in events
        if event.type in TOLD
    ]
    if rows:
        connection.execute(outbox.insert(), rows)


def due(connection: sa.Connection, limit: int) -> list[Notification]:
    """The notifications that are to be sent now, oldest first."""
    columns = [outbox.c[name] for name in Notification.__dataclass_fields__]
    query = sa.select(*columns).where(outbox.c.next_try_at <= now())
    found = connection.execute(query.order_by(outbox.c.next_try_at).limit(limit))
    return [Notification(**row._mapping) for row in found]


def is_one_due(connection: sa.Connection) -> bool:
    """Whether a notification is to be sent now."""
    return bool(due(connection, limit=1))


def claim(connection: sa.Connection, notification: Notification) -> bool:
    """Take a notification for a minute, so that other sweeps leave it alone; False if taken."""
    this = _this(notification) & (outbox.c.next_try_at == notification.next_try_at)
    times = notification.attempts + 1
    claimed = connection.execute(
        outbox.update().where(this).values(attempts=times, next_try_at=moment(_CLAIMED_SECONDS))
    )
    return bool(claimed.rowcount)


def put_back(connection: sa.Connection, notification: Notification) -> None:
    """Note that the receiver did not take it; the next try comes later than the one before."""
    delay = min(5.0 * 2.0**notification.attempts, _LONGEST_DELAY_SECONDS)
    later = outbox.update().where(_this(notification)).values(next_try_at=moment(delay))
    connection.execute(later)


def remove(connection: sa.Connection, notification: Notification) -> None:
    """Forget a notification that needs no further try. The journal goes on holding its event."""
    connection.execute(outbox.delete().where(_this(notification)))


def discard_all(connection: sa.Connection) -> None:
    """Forget all of them: no webhook is named."""
    connection.execute(outbox.delete())


def _this(notification: Notification) -> sa.ColumnElement[bool]:
    return outbox.c.notification_id == notification.notification_id
