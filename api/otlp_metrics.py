"""The same gauges and counters for an OTLP collector, read when the exporter asks.

Each process sends the durations that it measures itself (`telemetry.histogram`). What only the
ledger knows is sent by every API process: aggregate it by `max`, not by `sum`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

from api.hub import Hub
from api.metrics import Reading, read
from api.recent import KNOWN_FOR_SECONDS
from data.contracts.errors import CreditDeskError
from data.metrics import METRICS, SSE_CLIENTS, Kind, Metric
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.gauges import Gauge


def export(ledger: Ledger, hub: Hub) -> None:
    """Give this process's meter an instrument for every gauge and counter of the desk."""
    meter = get_meter("credit_desk.api")
    source = _Source(ledger, hub)
    for metric in METRICS:
        create: Callable[..., object] | None = {
            Kind.GAUGE: meter.create_observable_gauge,
            Kind.COUNTER: meter.create_observable_counter,
        }.get(metric.kind)
        if create is not None:
            observed = partial(source.observe, metric)
            create(metric.name, [observed], unit=metric.unit, description=metric.about)


class _Source:
    """One reading for all instruments of an export. The exporter calls it on its own thread."""

    def __init__(self, ledger: Ledger, hub: Hub) -> None:
        self._ledger = ledger
        self._hub = hub
        self._known = Reading([], [])
        self._read_at = -KNOWN_FOR_SECONDS

    def observe(self, metric: Metric, _options: CallbackOptions) -> Iterable[Observation]:
        values = self._reading().values(metric)
        return [
            Observation(value, dict(zip(metric.labels, labels, strict=True)))
            for labels, value in values.items()
        ]

    def _reading(self) -> Reading:
        """What the ledger says; nothing while it is out of reach: old values would look new."""
        if time.monotonic() - self._read_at >= KNOWN_FOR_SECONDS:
            self._read_at = time.monotonic()
            try:
                with self._ledger.reading() as connection:
                    self._known = read(connection)
            except CreditDeskError:
                self._known = Reading([], [])
            self._known.gauges.append(Gauge(SSE_CLIENTS, (), self._hub.clients))
        return self._known
