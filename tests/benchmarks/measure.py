"""The measurements on a real desk: each function returns one row of the report or more."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun

SUBFLOWS = (1, 3, 1, 3, 1, 1)
"""The tasks in each subflow of a straight-through run: six stages, ten agents."""


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    what: str
    measured: str
    goal: str
    holds: bool | None = None
    """Whether the goal is met. None when this machine has no goal."""


async def straight_through(desk: Desk, runs: int = 20) -> list[Row]:
    """Runs one after another, beside a bare Prefect flow of the same shape on the same server."""
    bare, ours = [], []
    with _prefect_of(desk):
        await _bare_flow()
        await (await desk.start("ada-prime")).until(RunStatus.COMPLETED)
        for _ in range(runs):
            began = time.perf_counter()
            await _bare_flow()
            bare.append(time.perf_counter() - began)
            run = await desk.start("ada-prime")
            events = await run.events()
            assert events[-1].type is EventType.RUN_COMPLETED
            ours.append((events[-1].ts - events[0].ts).total_seconds())
    ratios = [
        run_seconds / bare_seconds for run_seconds, bare_seconds in zip(ours, bare, strict=True)
    ]
    ratio = statistics.median(ratios)
    refused = desk.log("server").count(" 503 ")
    return [
        Row(
            f"straight-through run / bare Prefect flow, {runs} pairs",
            f"{ratio:.2f} ({_s(ours)} / {_s(bare)})",
            "<= 1.25",
            ratio <= 1.25,
        ),
        Row("answers 503 in server.log", str(refused), "0", refused == 0),
    ]


async def latency(desk: Desk, runs: int = 20) -> list[Row]:
    """From the client's POST to the first stage event; and from an answer to the next event."""
    first, after_gate = [], []
    for _ in range(runs):
        began = time.perf_counter()
        run = await desk.start("bora-borderline")
        await run.until(EventType.STAGE_STARTED)
        first.append(time.perf_counter() - began)
        await run.until(RunStatus.WAITING)
        waiting = await run.until(EventType.WAITING)
        await asyncio.sleep(0.5)  # let the run fall asleep: people are slower than that
        began = time.perf_counter()
        answered = await run.answer(decision="approve")
        assert answered.status_code == 202, answer_text(answered)
        async for event in run.follow(waiting.id):
            if event.id > waiting.id:
                after_gate.append(time.perf_counter() - began)
                break
        await run.until(RunStatus.COMPLETED)
    return [
        Row(
            f"POST /runs to first stage event, {runs} runs",
            f"p50 {statistics.median(first) * 1000:.0f} ms",
            "<= 600 ms",
            statistics.median(first) <= 0.6,
        ),
        Row(
            f"answer to first event after the gate, {runs} runs",
            f"p50 {statistics.median(after_gate) * 1000:.0f} ms",
            "<= 600 ms",
            statistics.median(after_gate) <= 0.6,
        ),
    ]


async def burst(desk: Desk, runs: int = 20) -> list[Row]:
    """Many runs at once: every run completes."""
    began = time.perf_counter()
    started = await asyncio.gather(*(desk.start("ada-prime") for _ in range(runs)))
    ends = await asyncio.gather(*(_end(run) for run in started))
    seconds = time.perf_counter() - began
    completed = sum(end is RunStatus.COMPLETED for end in ends)
    return [
        Row(
            f"{runs} runs in one burst",
            f"{completed} completed, {runs / seconds * 60:.0f} runs/min",
            "all completed",
            completed == runs,
        )
    ]


async def streams(desk: Desk, clients: int = 200) -> list[Row]:
    """From the write of an event to the clients that follow: a single one, and many of one run."""
    alone: list[float] = []
    for _ in range(5):
        alone += await _lags(await desk.start("ada-prime"), 1)
    run = await desk.start("ada-prime")
    many = await _lags(run, clients)
    complete = len(many) == clients * len(await run.events())
    p50 = statistics.median(alone) * 1000
    p99 = sorted(many)[int(len(many) * 0.99)]
    return [
        Row("SSE: emit to client, 1 client", f"p50 {p50:.0f} ms", "<= 25 ms", p50 <= 25),
        Row(
            f"SSE: {clients} clients on one run",
            f"{'nothing lost' if complete else 'LOST'}, p99 {p99:.2f} s",
            "nothing lost, p99 <= 1.5 s",
            complete and p99 <= 1.5,
        ),
    ]


async def disk(desk: Desk) -> list[Row]:
    """The size of a run in the ledger: journal, checkpoints and the answers of agents."""
    run = await desk.start("ada-prime")
    await run.until(RunStatus.COMPLETED)
    with sqlite3.connect(desk.home / "ledger.db") as ledger:
        journal = _sum(ledger, "select sum(length(body)) from events where run_id = ?", run.run_id)
        stored = _sum(
            ledger, "select sum(length(body)) from blobs where path like ?", f"%{run.run_id}%"
        )
    kilobytes = (journal + stored) / 1024
    return [
        Row(
            "journal + checkpoints of a run on disk",
            f"{kilobytes:.0f} KB ({journal / 1024:.0f} + {stored / 1024:.0f})",
            "<= 100 KB",
            kilobytes <= 100,
        )
    ]


def answer_text(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.text}"


async def _lags(run: StartedRun, clients: int) -> list[float]:
    """The seconds between the write of an event and its arrival, for every event and client."""

    async def follow() -> list[float]:
        return [time.time() - event.ts.timestamp() async for event in run.follow()]

    return [
        lag for lags in await asyncio.gather(*(follow() for _ in range(clients))) for lag in lags
    ]


async def _end(run: StartedRun) -> RunStatus:
    await run.until(RunStatus.COMPLETED, seconds=600)
    return (await run.summary()).status


async def _bare_flow() -> None:
    """The same number of Prefect subflows and tasks, which do nothing."""
    from prefect import flow, task

    @task(persist_result=False)
    async def nothing() -> None:
        return None

    def stage(tasks: int) -> Callable[[], Awaitable[Any]]:
        @flow(name=f"bare-{tasks}", persist_result=False)
        async def bare_stage() -> None:
            await asyncio.gather(*(nothing() for _ in range(tasks)))

        return bare_stage

    @flow(name="bare", persist_result=False)
    async def bare() -> None:
        for tasks in SUBFLOWS:
            await stage(tasks)()

    await bare()


def _prefect_of(desk: Desk) -> Any:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    return temporary_settings({PREFECT_API_URL: f"{desk.prefect_url}/api"})


def _sum(ledger: sqlite3.Connection, query: str, value: str) -> int:
    return int(ledger.execute(query, (value,)).fetchone()[0] or 0)


def _s(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"
