"""The desk's metrics as Prometheus text, and as OpenMetrics with exemplars that name traces.

All but the event streams comes from the ledger, so every API process answers alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from prometheus_client import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from api.hub import Hub
from api.recent import Recent
from data.contracts.runs import RunStatus
from data.metrics import LEASES_LOST, METRICS, RUNS_ENDED, SSE_CLIENTS, Kind, Metric
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.figures import Total, totals
from flows.runtime.ledger.gauges import Gauge, gauges

Labels = tuple[str, ...]
_Bucket = tuple[str, float] | tuple[str, float, Exemplar]

_FROM_THE_START: dict[Metric, list[Labels]] = {
    RUNS_ENDED: [(status.value,) for status in RunStatus if status.has_ended],
    LEASES_LOST: [()],
}
"""Counters that are shown as 0 before anything was counted: a rate misses the first increase of a
series that was not there."""


@dataclass(frozen=True)
class Reading:
    """What the ledger says at one moment."""

    gauges: list[Gauge]
    totals: list[Total]

    def values(self, metric: Metric) -> dict[Labels, float]:
        """The values of a gauge or a counter by label values."""
        found = dict.fromkeys(_FROM_THE_START.get(metric, []), 0.0)
        found |= {gauge.labels: gauge.value for gauge in self.gauges if gauge.metric is metric}
        return found | {total.labels: total.total for total in self.of(metric)}

    def of(self, metric: Metric) -> list[Total]:
        return [total for total in self.totals if total.metric == metric.name]


def read(connection: sa.Connection) -> Reading:
    """Everything in one snapshot."""
    return Reading(gauges(connection), totals(connection))


class MetricsPage:
    """What `GET /metrics` answers, read from the ledger at most once a second."""

    def __init__(self, ledger: Ledger, hub: Hub) -> None:
        self._hub = hub
        self._recent = Recent(lambda: ledger.read(read))

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The page in the format that the header `Accept` asks for, and its media type.

        Raises UnavailableError when the ledger is out of reach.
        """
        known = await self._recent.get()
        clients = Gauge(SSE_CLIENTS, (), self._hub.clients)
        encode, media_type = choose_encoder(accept)
        return encode(_Families(Reading([*known.gauges, clients], known.totals))), media_type


class _Families(Collector):
    """A reading in the words of the Prometheus client."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            match metric.kind:
                case Kind.GAUGE:
                    yield self._gauge(metric)
                case Kind.COUNTER:
                    yield self._counter(metric)
                case Kind.HISTOGRAM:
                    yield self._histogram(metric)

    def _gauge(self, metric: Metric) -> Family:
        family = GaugeMetricFamily(
            metric.prometheus_name,
            metric.about,
            labels=metric.prometheus_labels,
            unit=metric.prometheus_unit,
        )
        for labels, value in self._reading.values(metric).items():
            family.add_metric(labels, value)
        return family

    def _counter(self, metric: Metric) -> Family:
        family = CounterMetricFamily(
            metric.prometheus_name,
            metric.about,
            labels=metric.prometheus_labels,
            unit=metric.prometheus_unit,
        )
        exemplars = {total.labels: _exemplar(total) for total in self._reading.of(metric)}
        for labels, value in self._reading.values(metric).items():
            family.add_metric(labels, value, exemplar=exemplars.get(labels))
        return family

    def _histogram(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(
            metric.prometheus_name,
            metric.about,
            labels=metric.prometheus_labels,
            unit=metric.prometheus_unit,
        )
        series: defaultdict[Labels, list[Total]] = defaultdict(list)
        for total in self._reading.of(metric):
            series[total.labels].append(total)
        for labels, found in series.items():
            buckets = list(_buckets(metric, found))
            family.add_metric(labels, buckets, sum(total.total for total in found))
        return family


def _buckets(metric: Metric, found: list[Total]) -> Iterator[_Bucket]:
    """Cumulative buckets. What an earlier version counted under other bounds is in the next one."""
    below = -math.inf
    for bound in (*metric.bounds, math.inf):
        name = "+Inf" if math.isinf(bound) else str(bound)
        count = sum(total.count for total in found if total.bound <= bound)
        here = [total for total in found if below < total.bound <= bound]
        newest = max(here, key=lambda total: total.observed_at, default=None)
        exemplar = _exemplar(newest)
        yield (name, count, exemplar) if exemplar else (name, count)
        below = bound


def _exemplar(total: Total | None) -> Exemplar | None:
    """The trace of the newest value; none when it was observed outside of any trace."""
    if total is None or not total.trace_id.strip("0"):
        return None
    labels = {"trace_id": total.trace_id}
    if total.span_id.strip("0"):
        labels["span_id"] = total.span_id
    seen_at = datetime.fromisoformat(total.observed_at).timestamp()
    return Exemplar(labels, total.value, seen_at)
