"""How many decisions were entered on each day, by outcome.

A run's decision has its outcome in its content; those of a batch are counted in their chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from flows.runtime.ledger.database import stamp
from flows.runtime.ledger.tables import batch_chunks, decisions

DayAndOutcome = tuple[str, str]
_DAY = len("2026-11-22")
"""So much of a moment is its day in UTC."""


def count_by_day(
    connection: sa.Connection, since: datetime, until: datetime
) -> Counter[DayAndOutcome]:
    """The decisions of runs and batches in a period. A day or outcome without one is missing."""
    counts: Counter[DayAndOutcome] = Counter()
    for day, outcome, count in _of_runs(connection, stamp(since), stamp(until)):
        counts[day, outcome] += count
    for day, outcome, count in _of_batches(connection, stamp(since), stamp(until)):
        counts[day, outcome] += count
    return counts


def _of_runs(connection: sa.Connection, since: str, until: str) -> Iterator[tuple[str, str, int]]:
    day = sa.func.substr(decisions.c.decided_at, 1, _DAY).label("day")
    outcome = decisions.c.body["outcome"].as_string().label("outcome")
    query = (
        sa.select(day, outcome, sa.func.count())
        .where(decisions.c.run_id.is_not(None), decisions.c.body.is_not(None))
        .where(decisions.c.decided_at >= since, decisions.c.decided_at < until)
        .group_by(sa.literal_column("day"), sa.literal_column("outcome"))
    )
    for row in connection.execute(query):
        yield row[0], row[1], row[2]


def _of_batches(
    connection: sa.Connection, since: str, until: str
) -> Iterator[tuple[str, str, int]]:
    written_at = batch_chunks.c.written_at
    query = sa.select(written_at, batch_chunks.c.totals["outcomes"])
    in_period = (written_at >= since) & (written_at < until)
    for written, outcomes in connection.execute(query.where(in_period)):
        for outcome, count in (outcomes or {}).items():
            yield written[:_DAY], outcome, count
