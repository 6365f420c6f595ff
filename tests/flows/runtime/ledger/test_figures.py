"""Figures: counted in the transaction that they tell of, once, and the same after compacting."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from data.metrics import (
    AGENT_COST,
    AGENT_DURATION,
    DECISIONS,
    HITL_WAIT,
    LEASES_LOST,
    RUNS_ENDED,
    STAGE_DURATION,
    TOKEN_USAGE,
    Metric,
)
from flows.runtime.ledger import decisions, figures, journal, runs, tables
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.figures import Observation, Total
from flows.runtime.ledger.journal import Draft
from tests.flows.runtime.entries import RUN, SPAN, TRACE, a_claimed_run, a_run, draft

LOST = Observation(LEASES_LOST)
RULES = {"agent": "kyc", "model": "rules/1.0.0"}
CHAT = {"agent": "memo", "model": "chat-1"}


class Letter(Contract):
    outcome: str


def told(type: EventType, key: str = "", **meta: Any) -> Draft:
    return replace(draft(key or type.value, type=type), meta=meta)


async def tell(ledger: Ledger, *drafts: Draft) -> None:
    await a_run(ledger)
    await ledger.write(journal.append, RUN, drafts)


async def totals(ledger: Ledger, metric: Metric) -> list[Total]:
    found = [total for total in await ledger.read(figures.totals) if total.metric == metric.name]
    return sorted(found, key=lambda total: (total.labels, total.bound))


async def rows(ledger: Ledger) -> int:
    count = sa.select(sa.func.count()).select_from(tables.figures)
    return int(await ledger.read(lambda connection: connection.execute(count).scalar_one()))


async def test_events_tell_of_durations_and_waits_and_name_their_trace(any_ledger: Ledger) -> None:
    await tell(
        any_ledger,
        told(EventType.STAGE_COMPLETED, seconds=0.2),
        told(EventType.AGENT_COMPLETED, **RULES, latency_ms=40.0),
        told(EventType.HITL_RESOLVED, gate="manager", waited_seconds=90.0),
    )

    (stage,) = await totals(any_ledger, STAGE_DURATION)
    (agent,) = await totals(any_ledger, AGENT_DURATION)
    (wait,) = await totals(any_ledger, HITL_WAIT)
    assert (stage.labels, stage.bound, stage.count, stage.total) == (("check",), 0.25, 1, 0.2)
    assert (agent.labels, agent.bound, agent.count, agent.total) == (("kyc",), 0.05, 1, 0.04)
    assert (wait.labels, wait.bound, wait.count, wait.total) == (("manager",), 300.0, 1, 90.0)
    assert {(seen.trace_id, seen.span_id) for seen in (stage, agent, wait)} == {(TRACE, SPAN)}


async def test_an_event_that_a_replay_tells_again_is_counted_once(any_ledger: Ledger) -> None:
    once = told(EventType.STAGE_COMPLETED, seconds=0.2)

    await tell(any_ledger, once, once)
    await any_ledger.write(journal.append, RUN, [once])

    (stage,) = await totals(any_ledger, STAGE_DURATION)
    assert stage.count == 1


async def test_a_transaction_that_fails_counts_nothing(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    def write_and_fail(connection: sa.Connection) -> None:
        journal.append(connection, RUN, [told(EventType.STAGE_COMPLETED, seconds=0.2)])
        raise LookupError

    with pytest.raises(LookupError):
        await any_ledger.write(write_and_fail)

    assert await any_ledger.read(figures.totals) == []


async def test_a_value_on_a_bound_is_in_its_bucket_and_a_huge_one_in_the_last(
    any_ledger: Ledger,
) -> None:
    await tell(
        any_ledger,
        told(EventType.STAGE_COMPLETED, "a", seconds=0.25),
        told(EventType.STAGE_COMPLETED, "b", seconds=0.2500001),
        told(EventType.STAGE_COMPLETED, "c", seconds=9_999),
    )

    bounds = [total.bound for total in await totals(any_ledger, STAGE_DURATION)]
    assert bounds == [0.25, 0.5, math.inf]


async def test_only_answers_of_chat_models_count_tokens_and_cost(any_ledger: Ledger) -> None:
    none, some = {"prompt": 0, "completion": 0}, {"prompt": 900, "completion": 30}
    await tell(
        any_ledger,
        told(EventType.AGENT_COMPLETED, "a", **RULES, latency_ms=1.0, tokens=none),
        told(EventType.AGENT_COMPLETED, "b", **CHAT, latency_ms=1.0, tokens=some, cost_usd="0.02"),
        told(EventType.AGENT_COMPLETED, "c", **CHAT, latency_ms=1.0, tokens=some, cost_usd="0.03"),
    )

    tokens = await totals(any_ledger, TOKEN_USAGE)
    assert [(used.labels, used.bound, used.count, used.total) for used in tokens] == [
        (("chat-1", "input"), 1_024.0, 2, 1_800.0),
        (("chat-1", "output"), 64.0, 2, 60.0),
    ]
    (cost,) = await totals(any_ledger, AGENT_COST)
    assert cost.labels == ("memo", "chat-1")
    assert cost.total == pytest.approx(0.05)


async def test_each_end_of_a_run_is_counted_with_the_trace_of_the_run(
    any_ledger: Ledger,
) -> None:
    """Its last event may be in another trace: that of the request to cancel it, say."""
    own = "1" * 32
    for run_id, status in (("a", "completed"), ("b", "failed"), ("c", "completed")):
        await a_run(any_ledger, run_id, traceparent=f"00-{own}-{SPAN}-01")
        epoch = await a_claimed_run(any_ledger, run_id)
        end = [draft("end", 1.0, EventType.RUN_COMPLETED)]
        await any_ledger.write(journal.append, run_id, end, epoch=epoch, status=RunStatus(status))

    ended = await totals(any_ledger, RUNS_ENDED)
    assert [(end.labels, end.count) for end in ended] == [(("completed",), 2), (("failed",), 1)]
    assert {end.trace_id for end in ended} == {own}


async def test_a_decision_that_is_entered_again_is_counted_once(any_ledger: Ledger) -> None:
    await a_run(any_ledger, traceparent=f"00-{TRACE}-{SPAN}-01")

    for outcome in ("granted", "refused"):
        await any_ledger.write(decisions.enter, RUN, Letter(outcome=outcome))

    (decided,) = await totals(any_ledger, DECISIONS)
    assert (decided.labels, decided.count, decided.trace_id) == (("granted",), 1, TRACE)


async def test_compacting_leaves_one_row_for_each_series_and_changes_no_total(
    any_ledger: Ledger,
) -> None:
    await tell(
        any_ledger,
        *(told(EventType.STAGE_COMPLETED, f"{n}", seconds=n / 10) for n in range(1, 41)),
    )
    before = await totals(any_ledger, STAGE_DURATION)

    await any_ledger.write(figures.compact)
    await any_ledger.write(figures.observe, [LOST])
    await any_ledger.write(figures.compact)

    after = await totals(any_ledger, STAGE_DURATION)
    assert after == before
    assert sum(total.count for total in after) == 40
    assert await rows(any_ledger) == len(after) + 1


async def test_processes_that_compact_and_count_at_once_lose_nothing(any_ledger: Ledger) -> None:
    async def count() -> None:
        for _ in range(20):
            await any_ledger.write(figures.observe, [LOST, LOST])

    async def compact() -> None:
        for _ in range(20):
            await any_ledger.write(figures.compact)

    await asyncio.gather(*(count() for _ in range(4)), *(compact() for _ in range(3)))

    (lost,) = await totals(any_ledger, LEASES_LOST)
    assert (lost.count, lost.total) == (160, 160.0)


async def test_a_worker_that_is_frozen_while_it_counts_or_compacts_holds_up_no_other(
    postgresql: Ledger,
) -> None:
    """On SQLite all writers wait for each other anyway."""
    await postgresql.write(lambda connection: connection.execute(tables.figures.delete()))
    await postgresql.write(figures.observe, [LOST, LOST])
    with postgresql.writing() as frozen:
        figures.compact(frozen)
        figures.observe(frozen, [LOST])

        await postgresql.write(figures.observe, [LOST])
        await postgresql.write(figures.compact)

    (lost,) = await totals(postgresql, LEASES_LOST)
    assert lost.count == 4


async def test_only_many_rows_are_worth_compacting(
    any_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "COMPACTED_FROM", 3)
    await any_ledger.write(figures.observe, [LOST, LOST])
    assert not await any_ledger.read(figures.are_many)

    await any_ledger.write(figures.observe, [LOST])

    assert await any_ledger.read(figures.are_many)


async def test_purging_a_run_leaves_what_it_has_counted(any_ledger: Ledger) -> None:
    await tell(any_ledger, told(EventType.STAGE_COMPLETED, seconds=0.2))

    def purge(connection: sa.Connection) -> None:
        for table in (tables.events, tables.runs):
            connection.execute(table.delete())

    await any_ledger.write(purge)

    assert [total.count for total in await totals(any_ledger, STAGE_DURATION)] == [1]
    assert await any_ledger.read(runs.find_all, [RUN]) == {}
