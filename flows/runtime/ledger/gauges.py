"""Gauges: how the desk stands at this moment.

None of the queries passes over the ended runs and settled requests of years.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from data.contracts.review import ReviewStatus
from data.metrics import (
    CANARY_CASES,
    CANARY_SHARE,
    CANARY_STATE,
    HITL_OPEN,
    HITL_OPEN_AGE,
    OUTBOX_AGE,
    OUTBOX_SIZE,
    PSI,
    QUEUE_AGE,
    RUNS,
    Metric,
)
from flows.runtime.ledger import measurements, runs
from flows.runtime.ledger.canaries import CHALLENGER, CHAMPION, RUNNING, SHADOW, STATES
from flows.runtime.ledger.tables import canaries, canary_cases, outbox, reviews

_ARMS = (CHAMPION, CHALLENGER)


@dataclass(frozen=True)
class Gauge:
    """The value of one metric for one set of labels."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


def gauges(connection: sa.Connection) -> list[Gauge]:
    """Runs that have not ended, the queue, open requests, notifications, what a job measured, and
    the newest canary."""
    moment = datetime.now(UTC)
    return [
        *_runs(connection, moment),
        *_hitl(connection, moment),
        *_outbox(connection, moment),
        *(Gauge(PSI, labels, value) for labels, value in measurements.last(connection, PSI)),
        *_canary(connection),
    ]


def _runs(connection: sa.Connection, moment: datetime) -> Iterator[Gauge]:
    for status, count in runs.count_by_status(connection, runs.LIVE).items():
        yield Gauge(RUNS, (status.value,), count)
    yield Gauge(QUEUE_AGE, (), _age(runs.queued_since(connection), moment))


def _hitl(connection: sa.Connection, moment: datetime) -> Iterator[Gauge]:
    by_gate = sa.select(reviews.c.gate, sa.func.count(), sa.func.min(reviews.c.opened_at))
    by_gate = by_gate.where(reviews.c.status == ReviewStatus.OPEN).group_by(reviews.c.gate)
    for gate, count, oldest in connection.execute(by_gate):
        yield Gauge(HITL_OPEN, (gate,), count)
        yield Gauge(HITL_OPEN_AGE, (gate,), _age(oldest, moment))


def _outbox(connection: sa.Connection, moment: datetime) -> Iterator[Gauge]:
    query = sa.select(sa.func.count(), sa.func.min(outbox.c.created_at))
    count, oldest = connection.execute(query).one()
    yield Gauge(OUTBOX_SIZE, (), count)
    yield Gauge(OUTBOX_AGE, (), _age(oldest, moment))


def _canary(connection: sa.Connection) -> Iterator[Gauge]:
    columns = (canaries.c.canary_id, canaries.c.status, canaries.c.mode, canaries.c.share)
    newest = sa.select(*columns).order_by(canaries.c.started_at.desc()).limit(1)
    for name, status, mode, share in connection.execute(newest):
        is_running = status == RUNNING
        yield Gauge(CANARY_SHARE, (name,), share if is_running else 0.0)
        for state in STATES:
            yield Gauge(CANARY_STATE, (name, state), float(status == state))
        if is_running:  # each scrape would count the cases of an ended one again, for years
            yield from _cases(connection, name, (SHADOW,) if mode == SHADOW else _ARMS)


def _cases(connection: sa.Connection, canary: str, arms: tuple[str, ...]) -> Iterator[Gauge]:
    by_arm = sa.select(canary_cases.c.arm, sa.func.count()).group_by(canary_cases.c.arm)
    rows = connection.execute(by_arm.where(canary_cases.c.canary_id == canary))
    found = {row[0]: row[1] for row in rows}
    for arm in arms:
        yield Gauge(CANARY_CASES, (canary, arm), found.get(arm, 0))


def _age(since: str | None, moment: datetime) -> float:
    """Seconds since then; 0 for nothing, and for a clock of another machine that is ahead."""
    return max((moment - datetime.fromisoformat(since)).total_seconds(), 0.0) if since else 0.0
