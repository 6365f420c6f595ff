"""Measurements: gauges whose values a job computes, kept until it computes them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from data.metrics import Metric
from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import measurements

Labels = tuple[str, ...]


def replace(connection: sa.Connection, metric: Metric, values: Mapping[Labels, float]) -> None:
    """Replace all values of a metric, in the caller's transaction."""
    connection.execute(measurements.delete().where(measurements.c.metric == metric.name))
    rows = [
        {
            "metric": metric.name,
            "labels": json.dumps(labels),
            "value": value,
            "measured_at": now(),
        }
        for labels, value in values.items()
    ]
    if rows:
        connection.execute(measurements.insert(), rows)


def last(connection: sa.Connection, metric: Metric) -> Iterator[tuple[Labels, float]]:
    """The values that were measured last, by their labels."""
    query = sa.select(measurements.c.labels, measurements.c.value)
    for row in connection.execute(query.where(measurements.c.metric == metric.name)):
        yield tuple(json.loads(row.labels)), row.value
