"""Whether a ledger after years is as quick as a new one: its routes, its sweep, its retention."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx
from prefect.client.orchestration import PrefectClient

from api.app import create_app
from api.hub import Hub
from api.metrics import MetricsPage
from data.metrics import AGENT_DURATION
from data.settings import Settings
from flows.runtime.checkpoints import retention
from flows.runtime.checkpoints.retention import RetentionPolicy
from flows.runtime.host.garbage import leave_out_loaded
from flows.runtime.ledger import (
    cancellations,
    erasures,
    figures,
    leases,
    outbox,
    reviews,
    runs,
)
from flows.runtime.ledger.database import Ledger, moment
from flows.runtime.ledger.figures import COMPACTED_FROM, Observation
from flows.service.desk import DeskService
from tests.benchmarks.large_ledger import fill, run_ids
from tests.benchmarks.rows import Row, at_most

SAMPLES = 20
SECONDS_IN_25_MONTHS = 25 * 30.44 * 86_400
SWEEP: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (reviews.undelivered, ()),
    (reviews.out_of_time, ()),
    (runs.queued, ()),
    (runs.waiting, ("", 200)),
    (leases.abandoned, ()),
    (cancellations.to_be_stopped, ()),
    (outbox.due, (20,)),
)
"""What a worker's sweep reads when there is nothing to do."""


async def at_size(ended: int, waiting: int) -> AsyncIterator[Row]:
    """Routes, scrape, sweep and retention on a ledger with so many ended and waiting runs."""
    with (
        TemporaryDirectory(prefix="credit-desk-large-") as folder,
        Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger,
    ):
        ledger.migrate()
        await fill(ledger, ended=ended, waiting=waiting)
        await _count_as_much_as_a_sweep_leaves(ledger)
        leave_out_loaded()  # as the API does when it has started
        size = f"{ended:,} ended, {waiting:,} waiting runs"
        slowest, p95 = await _slowest_route(ledger, Path(folder), ended)
        yield _row("route", f"slowest route, {size}: {slowest}", p95, goal=50)
        p95 = await _p95(lambda _: _scraped(ledger))
        yield _row("metrics", f"GET /metrics, {size}", p95, goal=50)
        p95 = await _p95(lambda _: _swept(ledger))
        yield _row("sweep", f"the sweep, {size}", p95, goal=50)
        p95 = await _p95(lambda _: _nothing_retired(ledger))
        yield _row("retention", f"retention with nothing to do, {size}", p95, goal=100)


async def _slowest_route(ledger: Ledger, folder: Path, ended: int) -> tuple[str, float]:
    settings = Settings(home=folder)
    app = create_app(settings)
    # Reading routes never ask Prefect.
    app.state.desk = DeskService(settings, ledger, cast(PrefectClient, None))
    old, waiting = list(run_ids(ended // 2, SAMPLES)), list(run_ids(ended, SAMPLES))
    routes: dict[str, Sequence[str]] = {
        "GET /runs": ["/runs"],
        "GET /runs?status=waiting": ["/runs?status=waiting"],
        "GET /runs?status=completed": ["/runs?status=completed"],
        "GET /runs?application_id=": [f"/runs?application_id=bora-{ended // 2}"],
        "GET /inbox": ["/inbox"],
        "GET /inbox?role=": ["/inbox?role=underwriter"],
        "GET /runs/{run_id}, ended": [f"/runs/{run_id}" for run_id in old],
        "GET /runs/{run_id}, waiting": [f"/runs/{run_id}" for run_id in waiting],
        "GET /runs/{run_id}/state": [f"/runs/{run_id}/state" for run_id in waiting],
        "GET /runs/{run_id}/checkpoints": [f"/runs/{run_id}/checkpoints" for run_id in waiting],
        "GET /runs/{run_id}/hitl": [f"/runs/{run_id}/hitl" for run_id in waiting],
    }
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:

        async def get(paths: Sequence[str], sample: int) -> None:
            (await http.get(paths[sample % len(paths)])).raise_for_status()

        took = {route: await _p95(partial(get, paths)) for route, paths in routes.items()}
    slowest = max(took, key=lambda route: took[route])
    return slowest, took[slowest]


async def _count_as_much_as_a_sweep_leaves(ledger: Ledger) -> None:
    seen = [
        Observation(AGENT_DURATION, (f"agent-{number % 20}",), bound)
        for number in range(COMPACTED_FROM // len(AGENT_DURATION.bounds))
        for bound in AGENT_DURATION.bounds
    ]
    await ledger.write(figures.observe, seen)


async def _scraped(ledger: Ledger) -> None:
    """With a page of its own, which has no answer yet that it could repeat."""
    await MetricsPage(ledger, Hub(cast(DeskService, None))).render("")


async def _swept(ledger: Ledger) -> None:
    for look, arguments in SWEEP:
        await ledger.read(look, *arguments)


async def _nothing_retired(ledger: Ledger) -> None:
    policy = RetentionPolicy(timedelta(days=10_000))
    assert await ledger.read(retention.plan, policy) == []
    await ledger.read(erasures.due, moment(-SECONDS_IN_25_MONTHS), 100)


async def _p95(work: Callable[[int], Awaitable[None]]) -> float:
    """Milliseconds that 19 of 20 repetitions stay below."""
    took = []
    for sample in range(SAMPLES + 1):
        began = time.perf_counter()
        await work(sample)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took[1:])[int(SAMPLES * 0.95) - 1]


def _row(figure: str, what: str, milliseconds: float, goal: int) -> Row:
    return Row(
        name=f"at-size.{figure}",
        what=f"{what}, p95",
        value=milliseconds,
        unit="ms",
        goal=at_most(goal),
    )
