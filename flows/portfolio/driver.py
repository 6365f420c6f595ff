"""The driver of a batch: it indexes the file, hands out the chunks and tells how far they are.

What is finished stands in the ledger alone, so the driver may die at any time: the next one begins
with what is left. It is plain blocking code on a thread of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from data.contracts.errors import (
    CreditDeskError,
    LeaseLostError,
    RecordCorruptError,
    UnavailableError,
    WorkflowError,
    as_desk_error,
)
from data.contracts.events import EventType
from data.contracts.portfolio import PortfolioIndex
from data.contracts.runs import Failure, RunOptions, RunStatus
from data.settings import Settings
from flows.portfolio.chunk import underwrite_chunk
from flows.portfolio.chunk_task import RETRIES, RETRY_SECONDS, execute_chunk
from flows.rulebook import rulebook_in_force
from flows.runtime.execution.batch_spans import disown_driver, driver_span
from flows.runtime.execution.desk import this_desk
from flows.runtime.execution.task_engine import open_engine
from flows.runtime.execution.window import Window, run_in_window
from flows.runtime.ledger import batch_driver, batch_ends, batches, chunks, pinned, referrals
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import current_traceparent
from flows.runtime.prefect_api.feed import publish
from flows.runtime.worker import lost_spans
from tools.portfolio.reader import index_portfolio
from tools.spans import note_failure

_TELL_SECONDS = 1.0
"""An event of progress comes not more often than that."""

log = logging.getLogger(__name__)


class Board(Protocol):
    """Where people see how far a batch is."""

    def show(self, progress: float) -> None: ...


def drive(chosen: Settings, batch_id: str, flow_run_id: str, board: Board) -> Window:
    """Execute what is left of a batch, to its end or until it is asked to stop.

    Raises UnavailableError when ledger or engine are out of reach: another driver goes on later.
    Every other error of the file or the desk is written down as the end of the batch.
    """
    ledger, outcome = this_desk().ledger, Window()
    with ledger.reading() as connection:
        batch = batches.find(connection, batch_id)
    try:
        with driver_span(chosen, batch, flow_run_id):
            started = _Drive.begin(chosen, ledger, batch_id, flow_run_id, board)
            if started is not None:
                with started.noting_interruption(), started.failing():
                    outcome = started.execute()
    except LeaseLostError as error:
        log.info("%s", error)
    return outcome


@dataclass
class _Drive:
    """One start of a driver."""

    settings: Settings
    ledger: Ledger
    batch: Batch
    plan: list[dict[str, Any]]
    found: set[int]
    """The chunks that were finished before."""
    rows_done: int
    board: Board
    lost: Batch | None
    """The batch as the driver before this one left it, if that one was lost."""

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._rows_before = self.rows_done
        self._told = 0.0
        self._shall_stop = False

    @classmethod
    def begin(
        cls, settings: Settings, ledger: Ledger, batch_id: str, flow_run_id: str, board: Board
    ) -> _Drive | None:
        """Become the driver of a batch; None when it needs none."""
        with ledger.writing() as connection:
            known = batches.find(connection, batch_id, lock=True)
            if known.status not in batches.DRIVEN:
                return None
            found = chunks.finished(connection, batch_id)
            before = known.last_event_id
            batch = batch_driver.begin(connection, batch_id, flow_run_id, len(found))
            rows = chunks.rows_done(connection, batch_id)
            plan = batches.plan(connection, batch_id)
            written = batch_driver.events_after(connection, batch_id, before)
        publish(written)
        lost = known if known.status is RunStatus.RUNNING else None
        return cls(settings, ledger, batch, plan, found, rows, board, lost)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Write an error that no later driver could do without as the end of the batch."""
        try:
            yield
        except (UnavailableError, LeaseLostError):
            raise
        except CreditDeskError as error:
            self._fail(Failure(code=error.code, message=error.message))

    @contextmanager
    def noting_interruption(self) -> Iterator[None]:
        """Give the batch back when an error ends this driver and not the batch.

        While that cannot be written, the next driver finds this one lost, and draws its span.
        """
        try:
            yield
        except Exception as error:
            known = as_desk_error(error, WorkflowError)
            if known is not error or isinstance(error, UnavailableError):
                self._interrupt(known)
            raise

    def _interrupt(self, error: CreditDeskError) -> None:
        batch_id, start = self.batch.batch_id, self.batch.starts
        try:
            with self.ledger.writing() as connection:
                written = batch_driver.interrupt(connection, batch_id, start, error)
            publish(written)
        except (UnavailableError, LeaseLostError):
            disown_driver()

    def execute(self) -> Window:
        """Hand out the chunks that are not finished, then write how the batch goes on."""
        self._prepare()
        left = [chunk for chunk in self.plan if chunk["number"] not in self.found]
        outcome = Window()
        if left:
            tries = 1 + RETRIES
            with open_engine(self.settings, len(left), underwrite_chunk.__module__) as engine:
                outcome = run_in_window(
                    engine,
                    execute_chunk,
                    [self._call(chunk) for chunk in left],
                    stall_seconds=self.settings.batch_chunk_seconds * tries + sum(RETRY_SECONDS),
                    on_end=self._ended,
                    shall_stop=lambda: self._shall_stop,
                )
        self._finish()
        return outcome

    def _prepare(self) -> None:
        """Draw what a lost driver did, and index the file unless that was done."""
        if self.lost is not None:
            with self.ledger.reading() as connection:
                lost_spans.draw_driver(connection, self.lost)
        if not self.plan:
            self.plan = _index(self.settings, self.ledger, self.batch)
            with self.ledger.reading() as connection:
                self.batch = batches.find(connection, self.batch.batch_id)

    def _call(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return {
            "batch_id": self.batch.batch_id,
            "path": self.batch.path,
            "chunk": chunk,
            "traceparent": current_traceparent(),
        }

    def _ended(self, call: Mapping[str, Any], is_good: bool) -> None:
        """Tell of an end, unless that was done a moment ago; see whether to stop."""
        if is_good:
            self.rows_done += call["chunk"]["rows"]
        if time.monotonic() - self._told < _TELL_SECONDS:
            return
        self._told = time.monotonic()
        self._tell()

    def _tell(self) -> None:
        progress = self.rows_done / self.batch.rows if self.batch.rows else 1.0
        elapsed = max(time.monotonic() - self._began, 1e-6)
        rate = (self.rows_done - self._rows_before) / elapsed
        left = (self.batch.rows - self.rows_done) / rate if rate else None
        meta = {
            "rows": self.batch.rows,
            "rows_done": self.rows_done,
            "rows_per_second": round(rate, 1),
            "seconds_left": round(left, 1) if left is not None else None,
        }
        with self.ledger.writing() as connection:
            self._shall_stop = batch_ends.shall_stop(connection, self.batch.batch_id)
            written = batch_driver.tell(
                connection,
                self.batch.batch_id,
                self.batch.starts,
                EventType.BATCH_PROGRESS,
                f"{self.rows_done:,} of {self.batch.rows:,} rows",
                meta,
                key=f"progress/{self.batch.starts}/{self.rows_done}",
                progress=progress,
            )
        publish(written)
        self.board.show(progress)

    def _finish(self) -> None:
        """Write the end, or that people have to rule on the rest."""
        batch_id = self.batch.batch_id
        seconds = self.batch.seconds + time.monotonic() - self._began
        with self.ledger.writing() as connection:
            batch_driver.require_driver(connection, batch_id, self.batch.starts)
            batch_driver.keep_seconds(connection, batch_id, seconds)
            done = chunks.finished(connection, batch_id)
            asked_to_stop = batch_ends.shall_stop(connection, batch_id)
        missing = sorted({chunk["number"] for chunk in self.plan} - done)
        if asked_to_stop and missing:
            with self.ledger.writing() as connection:
                written = batch_ends.stop(connection, batch_id)
            publish(written)
        elif missing:
            self._fail(_of_chunks(missing))
        else:
            self._tell()
            self._conclude()

    def _fail(self, failure: Failure) -> None:
        batch_id, body = self.batch.batch_id, failure.model_dump(mode="json")
        with self.ledger.writing() as connection:
            batch_driver.require_driver(connection, batch_id, self.batch.starts)
            written = batch_ends.fail(connection, batch_id, body)
        note_failure(failure.code, failure.message)
        publish(written)

    def _conclude(self) -> None:
        batch_id = self.batch.batch_id
        with self.ledger.reading() as connection:
            totals = chunks.totals(connection, batch_id)
            unsettled = referrals.counts(connection, batch_id)
        if all(part["rejected"] == part["rows"] for part in totals):
            self._remove_copy()
            self._fail(_no_good_row(self.batch.rows))
            return
        waiting = sum(unsettled.values()) - unsettled.get(referrals.ENDED, 0)
        with self.ledger.writing() as connection:
            if waiting:
                written = batch_driver.wait(connection, batch_id, self.batch.starts, waiting)
            else:
                batch_driver.require_driver(connection, batch_id, self.batch.starts)
                chain = chunks.chain_of(connection, batch_id)
                written = batch_ends.complete(
                    connection, batch_id, "Batch completed", {"chain": chain}
                )
            self._remove_copy()  # in the transaction: no process that dies leaves it behind
        publish(written)

    def _remove_copy(self) -> None:
        """Remove the copy of an upload, which holds personal data: every row is done."""
        if not self.batch.is_copy:
            return
        try:
            Path(self.batch.path).unlink(missing_ok=True)
        except OSError as error:
            log.error("%s cannot be removed: %s", self.batch.path, error.strerror)


def _index(settings: Settings, ledger: Ledger, batch: Batch) -> list[dict[str, Any]]:
    """Find where each chunk begins, and fix what all of them decide by."""
    index: PortfolioIndex = index_portfolio(Path(batch.path), settings.batch_chunk_size)
    if index.sha256 != batch.sha256:
        raise RecordCorruptError("the file has changed since it was submitted: submit it again")
    plan = [chunk.model_dump(mode="json") for chunk in index.chunks]
    options = RunOptions.model_validate(batch.options)
    with ledger.writing() as connection:
        rulebook = rulebook_in_force(connection, settings.data_dir, options.bundle)
        digest = pinned.keep_pinned(connection, rulebook)
        batch_driver.keep_plan(connection, batch.batch_id, batch.starts, plan, index.rows, digest)
    return plan


def _of_chunks(missing: list[int]) -> Failure:
    named = ", ".join(str(number) for number in missing[:10])
    more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
    return Failure(
        code="chunks_failed",
        message=f"chunks {named}{more} could not be finished: submit the file again to go on",
    )


def _no_good_row(rows: int) -> Failure:
    return Failure(
        code=batches.NO_GOOD_ROW,
        message="the file has no row" if not rows else f"all {rows:,} rows were rejected",
    )
