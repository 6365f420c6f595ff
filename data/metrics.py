"""Every metric of the desk: its name, its unit, its labels. No other file spells a name.

Names are those of OpenTelemetry; `prometheus_name` is what a collector's Prometheus exporter and
`GET /metrics` make of them. A label has few values: no id of a run, nothing that a person typed.
Tokens go by the name of the GenAI conventions 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

_WORK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_WAITS = (
    *(1.0, 10.0, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, 8 * _HOUR),
    *(_DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY),
)
_TOKENS = (1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0)
"""The boundaries that the GenAI conventions advise, up to the size of a long prompt."""


class Kind(StrEnum):
    """What may be done with a metric's values."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric. `bounds` are the upper bounds of a histogram's buckets, without infinity."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    bounds: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name without the endings of single samples: `_total`, `_bucket`, `_sum`, `_count`."""
        name = self.name.replace(".", "_")
        return f"{name}_{self.prometheus_unit}" if self.prometheus_unit else name

    @property
    def prometheus_unit(self) -> str:
        return {"s": "seconds", "USD": "usd"}.get(self.unit, "")

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        return tuple(label.replace(".", "_") for label in self.labels)


RUNS = Metric(
    "credit_desk.runs",
    Kind.GAUGE,
    "Runs that have not ended: queued, running or waiting for a person",
    ("status",),
)
QUEUE_AGE = Metric(
    "credit_desk.queue.age",
    Kind.GAUGE,
    "How long the run has been queued that waits longest for a worker",
    unit="s",
)
RUNS_ENDED = Metric(
    "credit_desk.runs.ended",
    Kind.COUNTER,
    "Ends of runs; a failed run that is resumed ends again",
    ("status",),
)
DECISIONS = Metric("credit_desk.decisions", Kind.COUNTER, "Decisions entered", ("outcome",))
HITL_OPEN = Metric(
    "credit_desk.hitl.open", Kind.GAUGE, "Open requests to people, by gate", ("gate",)
)
HITL_OPEN_AGE = Metric(
    "credit_desk.hitl.open.age",
    Kind.GAUGE,
    "How long the oldest open request of a gate has waited",
    ("gate",),
    unit="s",
)
HITL_WAIT = Metric(
    "credit_desk.hitl.wait",
    Kind.HISTOGRAM,
    "From a request to the answer that counts, or to its expiry",
    ("gate",),
    unit="s",
    bounds=_WAITS,
)
STAGE_DURATION = Metric(
    "credit_desk.stage.duration",
    Kind.HISTOGRAM,
    "From a stage's first line to its checkpoint, in the execution that finished it",
    ("stage",),
    unit="s",
    bounds=_WORK,
)
AGENT_DURATION = Metric(
    "credit_desk.agent.duration",
    Kind.HISTOGRAM,
    "From a question to its finding, retries included",
    ("agent",),
    unit="s",
    bounds=_WORK,
)
TOKEN_USAGE = Metric(
    "gen_ai.client.token.usage",
    Kind.HISTOGRAM,
    "Tokens per answer of an agent that asked a chat model",
    ("gen_ai.request.model", "gen_ai.token.type"),
    unit="{token}",
    bounds=_TOKENS,
)
AGENT_COST = Metric(
    "credit_desk.agent.cost",
    Kind.COUNTER,
    "What chat models have cost",
    ("agent", "model"),
    unit="USD",
)
LEASES_LOST = Metric(
    "credit_desk.leases.lost", Kind.COUNTER, "Leases reclaimed from workers that were lost"
)
OUTBOX_SIZE = Metric(
    "credit_desk.outbox.size", Kind.GAUGE, "Notifications that the webhook has not taken yet"
)
OUTBOX_AGE = Metric(
    "credit_desk.outbox.age", Kind.GAUGE, "How long the oldest of them has waited", unit="s"
)
SSE_CLIENTS = Metric(
    "credit_desk.sse.clients", Kind.GAUGE, "Open event streams of this API process"
)

PSI = Metric(
    "credit_desk.psi",
    Kind.GAUGE,
    "How far the score (pd) and each attribute have moved, by the last run of the job drift",
    ("attribute",),
)

CANARY_SHARE = Metric(
    "credit_desk.canary.share",
    Kind.GAUGE,
    "The challenger's share of the traffic in the newest canary; 0 when it has ended",
    ("canary",),
)
CANARY_CASES = Metric(
    "credit_desk.canary.cases",
    Kind.GAUGE,
    "Cases of the canary that is running, by arm",
    ("canary", "arm"),
)
CANARY_STATE = Metric(
    "credit_desk.canary.state",
    Kind.GAUGE,
    "1 for the state of the newest canary, 0 for the other states",
    ("canary", "state"),
)

METRICS = (
    *(RUNS, QUEUE_AGE, RUNS_ENDED, DECISIONS, HITL_OPEN, HITL_OPEN_AGE, HITL_WAIT),
    *(STAGE_DURATION, AGENT_DURATION, TOKEN_USAGE, AGENT_COST),
    *(LEASES_LOST, OUTBOX_SIZE, OUTBOX_AGE, SSE_CLIENTS, PSI),
    *(CANARY_SHARE, CANARY_CASES, CANARY_STATE),
)
