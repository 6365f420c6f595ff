"""Figures: what has happened on the desk, counted in the transaction in which it happened.

An observation is a row of its own, so two transactions never wait for each other because both
count. `compact` adds the rows of a series up into one. A total is the sum over the rows of its
series, compacted or not: it is the same whichever process reads it, a restart loses nothing, and
purging old runs changes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from data.metrics import (
    AGENT_COST,
    AGENT_DURATION,
    HITL_WAIT,
    STAGE_DURATION,
    TOKEN_USAGE,
    Metric,
)
from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import figures

COMPACTED_FROM = 1_000
"""With fewer rows than these, compacting is not worth a transaction."""
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Observation:
    """One value, seen in a trace. A counter rises by it."""

    metric: Metric
    labels: tuple[str, ...] = ()
    value: float = 1.0
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True)
class Total:
    """All that was observed of one counter, or of one bucket of a histogram."""

    metric: str
    labels: tuple[str, ...]
    bound: float
    """The upper bound of the bucket; infinite for a counter."""
    count: int
    total: float
    value: float
    """The newest value, and where and when it was observed."""
    trace_id: str
    span_id: str
    observed_at: str

    @property
    def series(self) -> tuple[str, tuple[str, ...], float]:
        return self.metric, self.labels, self.bound


def observe(connection: sa.Connection, observations: Iterable[Observation]) -> None:
    """Count these in the caller's transaction, and so only if it commits."""
    rows = [_row(_first(observation)) for observation in observations]
    if rows:
        connection.execute(figures.insert(), rows)


def observe_events(connection: sa.Connection, events: Iterable[Event]) -> None:
    """Count the durations, waits, tokens and costs that new events of the journal tell of."""
    observe(connection, [seen for event in events for seen in _of_event(event)])


def totals(connection: sa.Connection) -> list[Total]:
    """All observations so far, one entry for each series."""
    return _added_up(connection.execute(sa.select(figures)))


def are_many(connection: sa.Connection) -> bool:
    """Whether there are so many rows that compacting them is worth a transaction."""
    some = sa.select(figures.c.id).limit(COMPACTED_FROM).subquery()
    return (
        connection.execute(sa.select(sa.func.count()).select_from(some)).scalar() == COMPACTED_FROM
    )


def compact(connection: sa.Connection) -> None:
    """Replace the rows of each series by one.

    Several processes may compact at once: each takes rows that no other process has taken.
    """
    mine = sa.select(figures.c.id).order_by(figures.c.id).limit(_MOST_ROWS)
    mine = mine.with_for_update(skip_locked=True)
    taken = figures.delete().where(figures.c.id.in_(mine)).returning(*figures.c)
    rows = [_row(total) for total in _added_up(connection.execute(taken))]
    if rows:
        connection.execute(figures.insert(), rows)


def _of_event(event: Event) -> Iterator[Observation]:
    meta = event.meta
    match event.type:
        case EventType.STAGE_COMPLETED if "seconds" in meta:
            yield _of(event, STAGE_DURATION, (event.phase,), meta["seconds"])
        case EventType.HITL_RESOLVED if "waited_seconds" in meta:
            yield _of(event, HITL_WAIT, (meta["gate"],), meta["waited_seconds"])
        case EventType.AGENT_COMPLETED if "latency_ms" in meta:
            yield from _of_answer(event)


def _of(event: Event, metric: Metric, labels: tuple[str, ...], value: float) -> Observation:
    return Observation(metric, labels, value, event.trace_id, event.span_id)


def _of_answer(event: Event) -> Iterator[Observation]:
    """Rules use no tokens and cost nothing: a zero for each of their answers would hide those of
    chat models."""
    meta = event.meta
    agent, model = meta["agent"], meta["model"]
    yield _of(event, AGENT_DURATION, (agent,), meta["latency_ms"] / 1000)
    tokens = meta.get("tokens", {})
    for kind, count in (("input", tokens.get("prompt")), ("output", tokens.get("completion"))):
        if count:
            yield _of(event, TOKEN_USAGE, (model, kind), count)
    if cost := float(meta.get("cost_usd") or 0):
        yield _of(event, AGENT_COST, (agent, model), cost)


def _first(seen: Observation) -> Total:
    """An observation as the total of itself, in the smallest bucket that holds it."""
    bound = min((bound for bound in seen.metric.bounds if seen.value <= bound), default=math.inf)
    return Total(
        metric=seen.metric.name,
        labels=seen.labels,
        bound=bound,
        count=1,
        total=seen.value,
        value=seen.value,
        trace_id=seen.trace_id,
        span_id=seen.span_id,
        observed_at=now(),
    )


def _row(total: Total) -> dict[str, Any]:
    return vars(total) | {"labels": json.dumps(total.labels)}


def _total(row: sa.Row[Any]) -> Total:
    columns = row._asdict() | {"labels": tuple(json.loads(row.labels))}
    del columns["id"]
    return Total(**columns)


def _added_up(rows: Iterable[sa.Row[Any]]) -> list[Total]:
    sums: dict[Any, Total] = {}
    for total in map(_total, rows):
        known = sums.get(total.series)
        sums[total.series] = _sum(known, total) if known else total
    return list(sums.values())


def _sum(one: Total, other: Total) -> Total:
    newest = max(one, other, key=lambda total: total.observed_at)
    count, total = one.count + other.count, one.total + other.total
    return Total(**vars(newest) | {"count": count, "total": total})
