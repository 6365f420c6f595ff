"""Smoke: after mixed runs, `GET /metrics` and the collector hold what the ledger counts.

Fifty runs with `--soak`, a few of each kind without. The expected figures are counted from the
journal, the decisions and the requests by SQL and arithmetic of this file alone.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from socket import gethostname
from typing import Any

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.metrics import AGENT_DURATION, HITL_WAIT, METRICS, STAGE_DURATION, Kind, Metric
from tests.desk import PATIENCE_SECONDS, Desk
from tests.otlp import Receiver

KINDS = ("approved", "declined", "waiting", "answered", "cancelled", "failed")
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
Labels = tuple[str, ...]


@dataclass
class Counted:
    """The same figures as the desk's, counted from the rows of its ledger."""

    values: dict[str, dict[Labels, float]] = field(default_factory=dict)
    durations: dict[str, dict[Labels, list[float]]] = field(default_factory=dict)
    trace_ids: set[str] = field(default_factory=set)


async def one_run(desk: Desk, kind: str) -> None:
    """Start a run, and bring it to its end or to the gate where it is left."""
    if kind in {"approved", "declined"}:
        run = await desk.start("ada-prime" if kind == "approved" else "dee-debtor")
        await run.until(RunStatus.COMPLETED, seconds=120)
        return
    if kind == "failed":
        run = await desk.start("tim-timeout", fan_out_policy="fail_fast")
        await run.until(RunStatus.FAILED, seconds=120)
        return
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING, seconds=120)
    if kind == "cancelled":
        (await desk.http.post(f"{run.url}/cancel")).raise_for_status()
        await run.until(RunStatus.CANCELLED, seconds=120)
    elif kind == "answered":
        assert (await run.answer(decision="approve")).status_code == 202
        await run.until(RunStatus.COMPLETED, seconds=120)


async def mixed_runs(desk: Desk, count: int) -> None:
    """Four at a time, as the worker executes them."""
    kinds = iter([KINDS[number % len(KINDS)] for number in range(count)])

    async def take() -> None:
        for kind in kinds:
            await one_run(desk, kind)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(take())


_DECIDED_ALONE = """
    select json_extract(body, '$.outcome'), count(*) from decisions
    where batch_id is null or batch_id = '' group by 1
"""


def counted(desk: Desk) -> Counted:
    """Count in one snapshot of the ledger's file."""
    with closing(sqlite3.connect(f"file:{desk.home / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        ledger.execute("begin")
        by_status = dict(ledger.execute("select status, count(*) from runs group by status"))
        decided = Counter(dict(ledger.execute(_DECIDED_ALONE).fetchall()))
        for (totals,) in ledger.execute("select totals from batch_chunks"):
            decided += Counter(json.loads(totals)["outcomes"])
        asked = ledger.execute(
            "select gate, count(*) from reviews where status = 'open' group by gate"
        )
        values: dict[str, dict[Labels, float]] = {
            "credit_desk_runs": {
                (status,): by_status.get(status, 0) for status in ("queued", "running", "waiting")
            },
            "credit_desk_decisions": {(outcome,): count for outcome, count in decided.items()},
            "credit_desk_hitl_open": {(gate,): count for gate, count in asked},
            "credit_desk_outbox_size": {
                (): ledger.execute("select count(*) from outbox").fetchone()[0]
            },
        }
        of_runs = ledger.execute(
            "select body from events where run_id in (select run_id from runs)"
        )
        events = [json.loads(body) for (body,) in of_runs]
        told = ledger.execute("select traceparent from runs")
        trace_ids = {traceparent.split("-")[1] for (traceparent,) in told if traceparent}
    ends = Counter(event["type"].removeprefix("run.") for event in events)
    values["credit_desk_runs_ended"] = {
        (status,): ends[status] for status in ("completed", "failed", "cancelled")
    }
    return Counted(values, measured(events), trace_ids)


def measured(events: list[dict[str, Any]]) -> dict[str, dict[Labels, list[float]]]:
    """The seconds that events tell of, by metric and label."""
    found: dict[str, dict[Labels, list[float]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        meta = event["meta"]
        match event["type"]:
            case "stage.completed":
                found[STAGE_DURATION.name][event["phase"],].append(meta["seconds"])
            case "agent.completed":
                found[AGENT_DURATION.name][meta["agent"],].append(meta["latency_ms"] / 1000)
            case "hitl.resolved":
                found[HITL_WAIT.name][meta["gate"],].append(meta["waited_seconds"])
    return found


async def scraped(desk: Desk) -> dict[str, Family]:
    answer = await desk.http.get("/metrics", headers=OPENMETRICS)
    families: Callable[[str], Iterable[Family]] = text_string_to_metric_families
    return {family.name: family for family in families(answer.raise_for_status().text)}


def labelled(family: Family, sample: str = "") -> dict[Labels, float]:
    name = family.name + sample
    return {tuple(s.labels.values()): s.value for s in family.samples if s.name == name}


def buckets(family: Family, labels: Labels) -> list[float]:
    """The cumulative buckets of one series, as they stand on the page: from the smallest."""
    return [
        sample.value
        for sample in family.samples
        if sample.name == f"{family.name}_bucket"
        and tuple(value for name, value in sample.labels.items() if name != "le") == labels
    ]


def require_alike(metric: Metric, family: Family, expected: dict[Labels, list[float]]) -> None:
    """Compare a histogram's count, sum and every bucket of it with the single values."""
    counts, sums = labelled(family, "_count"), labelled(family, "_sum")
    assert counts == {labels: len(values) for labels, values in expected.items()}
    for labels, values in expected.items():
        assert sums[labels] == pytest.approx(sum(values), abs=1e-3)
        smallest = Counter(bisect_left(metric.bounds, value) for value in values)
        below = [sum(smallest[n] for n in range(m + 1)) for m in range(len(metric.bounds) + 1)]
        assert buckets(family, labels) == below, (metric.name, labels)


@pytest.mark.timeout(900)
async def test_after_mixed_runs_every_figure_is_what_the_ledger_counts(
    desk: Desk, soak: bool
) -> None:
    await mixed_runs(desk, 50 if soak else len(KINDS))
    async with asyncio.timeout(PATIENCE_SECONDS):  # the next sweep empties the outbox
        while labelled((await scraped(desk))["credit_desk_outbox_size"]) != {(): 0}:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    await asyncio.sleep(1.1)  # an answer may be a second old

    families, ledger = await scraped(desk), await asyncio.to_thread(counted, desk)

    for name, values in ledger.values.items():
        ending = "_total" if families[name].type == "counter" else ""
        assert labelled(families[name], ending) == values, name
    for metric in (STAGE_DURATION, AGENT_DURATION, HITL_WAIT):
        expected = ledger.durations[metric.name]
        assert expected, metric.name
        require_alike(metric, families[metric.prometheus_name], expected)
    waits = families["credit_desk_queue_age_seconds"].samples[0].value > 0
    assert waits == (ledger.values["credit_desk_runs"]["queued",] > 0)
    assert families["gen_ai_client_token_usage"].samples == []  # rules use none


async def test_every_exemplar_leads_to_the_trace_of_a_run(desk: Desk, otlp: Receiver) -> None:
    await one_run(desk, "answered")
    await asyncio.sleep(1.1)

    families, ledger = await scraped(desk), await asyncio.to_thread(counted, desk)

    exemplars = {
        (family.name, sample.exemplar.labels["trace_id"])
        for family in families.values()
        for sample in family.samples
        if sample.exemplar
    }
    named = {name for name, _ in exemplars}
    assert named >= {
        *(metric.prometheus_name for metric in (STAGE_DURATION, AGENT_DURATION, HITL_WAIT)),
        *("credit_desk_decisions", "credit_desk_runs_ended"),
    }
    assert {trace_id for _, trace_id in exemplars} <= ledger.trace_ids
    assert {trace_id for _, trace_id in exemplars} & {span.trace_id for span in otlp.spans}


async def test_the_collector_gets_the_same_figures(desk: Desk, otlp: Receiver) -> None:
    await one_run(desk, "approved")
    expected = {
        metric.name for metric in METRICS if metric.kind is not Kind.HISTOGRAM and not metric.labels
    } | {"credit_desk.decisions", "credit_desk.runs", "credit_desk.runs.ended"}

    # Other desks may send to this collector too, and processes that were killed have sent to it.
    api, worker = (f"{role}-{gethostname()}-{desk.role(role).pid}" for role in ("api", "worker"))

    async with asyncio.timeout(40):
        while True:
            ledger = await asyncio.to_thread(counted, desk)
            told = otlp.metrics.get((api, "credit_desk.decisions"))
            is_there = (worker, AGENT_DURATION.name) in otlp.metrics
            if is_there and told == ledger.values["credit_desk_decisions"]:
                break
            await asyncio.sleep(0.5)

    sent = {name: of for (by, name), of in otlp.metrics.items() if by in {api, worker}}
    assert sent.keys() >= expected | {STAGE_DURATION.name, AGENT_DURATION.name}
    assert sent["credit_desk.runs.ended"] == ledger.values["credit_desk_runs_ended"]
    assert sum(sent[STAGE_DURATION.name].values()) > 0
