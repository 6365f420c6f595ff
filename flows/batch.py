"""The batch: portfolios underwritten as a scheduled job, one Prefect task per chunk.

With the id of a batch it drives that one. Without, as the schedule calls it, it takes the files of
the inbox. It runs as a child process of a worker, so that it never shares the loop on which
people's runs are executed.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import flow

from data.contracts.batch import BatchSummary
from data.contracts.errors import CreditDeskError
from data.contracts.runs import RunStatus
from data.settings import Settings, settings
from flows.portfolio import inbox, results
from flows.portfolio.driver import drive
from flows.portfolio.report import markdown_of
from flows.runtime.execution.desk import this_desk
from flows.runtime.execution.flow_run import current_flow_run
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import artifacts, states
from flows.runtime.prefect_api.client import PrefectClient, prefect_client
from flows.runtime.prefect_api.launch import batch_name

log = logging.getLogger(__name__)


@flow(name="batch", flow_run_name=batch_name("{batch_id}"), persist_result=False)
async def batch(batch_id: str = "") -> Any:
    """Underwrite a portfolio, or all portfolios of the inbox."""
    chosen = settings()
    ledger = (await asyncio.to_thread(this_desk)).ledger
    flow_run_id = str(current_flow_run().id)
    async with prefect_client() as client:
        # Those of a process that was killed while it drove this flow run.
        await states.close_task_runs(client, flow_run_id)
        if batch_id:
            summary = await underwrite_batch(client, chosen, ledger, batch_id, flow_run_id)
            return _conclusion([summary])
        done = [
            await inbox.put_away(
                chosen,
                ledger,
                found,
                await underwrite_batch(client, chosen, ledger, found.batch_id, flow_run_id),
            )
            for found in await inbox.enter_files(chosen, ledger, flow_run_id)
        ]
        return _conclusion(done)


async def underwrite_batch(
    client: PrefectClient, chosen: Settings, ledger: Ledger, batch_id: str, flow_run_id: str
) -> BatchSummary:
    """Drive one batch to its end, and leave its page in Prefect.

    Raises UnavailableError when ledger or engine are out of reach.
    """
    board = await _ProgressBar.start(client, flow_run_id, batch_id)
    # The driver blocks: it waits for the engine, and writes to the ledger.
    outcome = await asyncio.to_thread(drive, chosen, batch_id, flow_run_id, board)
    await states.close_task_runs(client, flow_run_id, outcome.left_behind)
    summary = await ledger.read(results.find, chosen, batch_id)
    with suppress(CreditDeskError):  # the page is for people; the ledger has what counts
        page = markdown_of(summary)
        await artifacts.show_page(client, flow_run_id, f"batch-{batch_id}-summary", page)
    return summary


def _conclusion(done: list[BatchSummary]) -> Any:
    """The state in which Prefect shows the job."""
    failed = [summary for summary in done if summary.status is RunStatus.FAILED]
    if failed:
        messages = {summary.error.message for summary in failed if summary.error}
        return states.ended_as(RunStatus.FAILED, "; ".join(sorted(messages)))
    if done and all(summary.status is RunStatus.CANCELLED for summary in done):
        return states.ended_as(RunStatus.CANCELLED)
    rows = sum(summary.totals.rows for summary in done)
    return states.ended_as(RunStatus.COMPLETED, f"{len(done)} files, {rows:,} rows")


class _ProgressBar:
    """The progress bar of a batch in Prefect. The driver's thread moves it and never waits."""

    def __init__(
        self, client: PrefectClient, loop: asyncio.AbstractEventLoop, artifact_id: UUID | None
    ) -> None:
        self._client = client
        self._loop = loop
        self._artifact_id = artifact_id
        self._under_way: Future[None] | None = None

    @classmethod
    async def start(cls, client: PrefectClient, flow_run_id: str, batch_id: str) -> _ProgressBar:
        artifact_id = None
        with suppress(CreditDeskError):
            artifact_id = await artifacts.start_progress(
                client, flow_run_id, f"batch-{batch_id}", f"Batch {batch_id}"
            )
        return cls(client, asyncio.get_running_loop(), artifact_id)

    def show(self, progress: float) -> None:
        """Move the bar, unless the last move is still under way."""
        if self._artifact_id is None or (self._under_way and not self._under_way.done()):
            return
        moving = artifacts.show_progress(self._client, self._artifact_id, progress)
        self._under_way = asyncio.run_coroutine_threadsafe(moving, self._loop)
