"""Batches and the sweep: drivers that are missing, reviews that are due, batches that are over.

Part of the sweep, so several processes may do this at once and any number of times. What needs no
Prefect comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from opentelemetry import propagate, trace
from opentelemetry.context import Context

from data import traces
from data.contracts.events import Event, EventType
from data.contracts.runs import Failure, RunStatus
from data.settings import Settings
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore, Stored
from flows.runtime.ledger import (
    batch_driver,
    batch_ends,
    batches,
    checkpoint_index,
    chunks,
    journal,
    messages,
    referrals,
    restricted,
    runs,
)
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft, promised_traceparent
from flows.runtime.ledger.referrals import PendingReferral
from flows.runtime.prefect_api import deployments, feed, states
from flows.runtime.prefect_api.client import PrefectClient
from flows.runtime.prefect_api.launch import batch_name, launch, launch_batch
from flows.runtime.worker import lost_spans

DEPLOYMENT = "batch"
"""The name in `prefect.yaml` of the job that drives a batch."""
MAX_STARTS = 25
"""A batch that was started so often and did not come to an end is given up."""

_LIVE = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.COMPLETED)

_tracer = trace.get_tracer("credit_desk.runtime")
log = logging.getLogger(__name__)


async def look_after_reviews(
    client: PrefectClient,
    ledger: Ledger,
    settings: Settings,
    find_deployment: Callable[[], Awaitable[UUID]],
) -> None:
    """Open the next referred cases as others end, and end the batches that have none left.

    An opened case is in the ledger before Prefect hears of it. Raises UnavailableError when the
    Prefect server does not answer.
    """
    opened: list[str] = []
    for batch in await ledger.read(batches.with_reviews):
        with states.isolate_errors(f"batch {batch.batch_id}"):
            written: list[Event] = []
            if await ledger.read(referrals.is_one_over, batch.batch_id):
                written = await ledger.write(_settle, batch.batch_id)
                feed.publish(written)
            if not written:
                opened += await _open_next(ledger, settings, batch)
    if opened:
        deployment_id = await find_deployment()
        for run in (await ledger.read(runs.references, opened)).values():
            await launch(client, ledger, deployment_id, run)


async def find_drivers(client: PrefectClient, ledger: Ledger, settings: Settings) -> None:
    """Give every batch that needs one a flow run which drives it.

    Raises UnavailableError when the Prefect server does not answer.
    """
    driven = await ledger.read(batches.without_end)
    deployment_id: UUID | None = None
    for batch in driven:
        with states.isolate_errors(f"batch {batch.batch_id}"):
            if await _has_driver(client, ledger, batch):
                continue
            if deployment_id is None:
                declared = deployments.declared_as(settings.prefect_yaml, DEPLOYMENT)
                deployment_id = await deployments.find(client, declared)
            if batch.flow_run_id:
                await states.close_task_runs(client, batch.flow_run_id)
            await launch_batch(client, ledger, deployment_id, batch)


async def _has_driver(client: PrefectClient, ledger: Ledger, batch: Batch) -> bool:
    """Whether a flow run drives a batch, or none shall: it was cancelled, or started too often."""
    known = await states.flow_run(client, batch.flow_run_id) if batch.flow_run_id else None
    state = known.state if known else None
    if state is not None and not state.is_final():
        return True
    if batch.cancel_requested or (state is not None and state.is_cancelled()):
        await _end_without_driver(ledger, batch, batch_ends.stop)
        return True
    # One that ended before it began has not counted its start.
    starts = await states.count_named(client, batch_name(batch.batch_id)) if state else 0
    if max(batch.starts, starts) >= MAX_STARTS:
        message = f"given up after {max(batch.starts, starts)} starts"
        given_up = Failure(code="given_up", message=message)
        body = given_up.model_dump(mode="json")
        await _end_without_driver(ledger, batch, batch_ends.fail, body)
        return True
    return False


async def _end_without_driver(
    ledger: Ledger, batch: Batch, end: Callable[..., list[Event]], *arguments: Any
) -> None:
    """End a batch whose driver was lost, and draw that driver's span."""

    def write(connection: sa.Connection) -> tuple[list[Event], list[Event]]:
        lost = batch_driver.note_loss(connection, batch.batch_id)
        return lost, end(connection, batch.batch_id, *arguments)

    lost, ended = await ledger.write(write)
    feed.publish(lost + ended)
    if lost:
        await ledger.read(lost_spans.draw_driver, batch)


def _settle(connection: sa.Connection, batch_id: str) -> list[Event]:
    referrals.settle(connection, batch_id)
    counted = referrals.counts(connection, batch_id)
    if counted.get(referrals.PENDING, 0) or counted.get(referrals.OPEN, 0):
        return []
    meta = {"chain": chunks.chain_of(connection, batch_id)}
    return batch_ends.complete(connection, batch_id, "People have ruled on every case", meta)


async def _open_next(ledger: Ledger, settings: Settings, batch: Batch) -> list[str]:
    """Open as many cases as there is room for; the ids of their runs."""
    room = settings.batch_open_reviews - await ledger.read(referrals.count_open)
    if room <= 0:
        return []
    made, store = [], CheckpointStore(settings.checkpoint_storage)
    for referral in await ledger.read(referrals.pending, batch.batch_id, room):
        with states.isolate_errors(f"line {referral.line} of batch {batch.batch_id}"):
            saved = _of_the_run(referral)
            key = checkpoint_index.storage_key(
                saved.run_id, saved.label, saved.version, checkpoint_index.OF_BATCH
            )
            stored = await store.put(key, saved.model_dump(mode="json"))
            opened = await ledger.write(
                _open, settings.batch_open_reviews, batch, referral, saved, key, stored
            )
            feed.publish(opened)
            made += [event.run_id for event in opened]
    return made


def _of_the_run(referral: PendingReferral) -> Checkpoint:
    """The checkpoint of the batch as the first one of the run that goes on from it."""
    saved = checkpoints.migrate(referral.checkpoint)
    return saved.model_copy(update={"run_id": referral.run_id, "ordinal": 1, "parent": ""})


@contextmanager
def _in_a_trace_of_its_own(batch: Batch, run_id: str) -> Iterator[None]:
    """A trace for one case, and a span in the batch's trace: each leads to the other."""
    of_batch = propagate.extract({"traceparent": batch.traceparent})
    names = {traces.CONVERSATION_ID: batch.batch_id}, {traces.CONVERSATION_ID: run_id}
    with _tracer.start_as_current_span("refer case", of_batch, attributes=names[0]) as here:
        back = [trace.Link(here.get_span_context())]
        with _tracer.start_as_current_span(
            "open review", Context(), attributes=names[1], links=back
        ) as there:
            here.add_link(there.get_span_context())
            yield


def _open(
    connection: sa.Connection,
    most: int,
    batch: Batch,
    referral: PendingReferral,
    saved: Checkpoint,
    key: str,
    stored: Stored,
) -> list[Event]:
    """Make the run of a referred case, which begins at its gate, unless another worker did.

    A run that the application has by now, because it was submitted by itself, is taken instead.
    """
    batches.find(connection, batch.batch_id, lock=True)  # one process opens at a time
    if referrals.count_open(connection) >= most:
        return []
    own = runs.own_runs(connection, [referral.application_id]).get(referral.application_id)
    run_id = own.run_id if own is not None and own.status in _LIVE else referral.run_id
    if not referrals.mark_open(connection, referral, run_id) or run_id != referral.run_id:
        return []
    by_itself = f"application:{referral.application_id}"
    origin = by_itself if own is None else f"batch:{batch.batch_id}:{referral.line}"
    with _in_a_trace_of_its_own(batch, run_id):
        runs.register(
            connection,
            run_id,
            origin,
            application_id=referral.application_id,
            options=dict(batch.options),
            workflow_version=saved.workflow_version,
            versions=saved.versions,
            state=saved.state,
            traceparent=promised_traceparent(),
            submitted_by=batch.submitted_by,
            submitted_by_principal=batch.submitted_by_principal,
        )
        checkpoints.index(connection, saved, key, stored)
        messages.keep(connection, run_id, saved.memory)
        for name, document in referral.restricted.items():
            restricted.keep(connection, run_id, name, document)
        return journal.append(connection, run_id, [_beginning(batch, saved)])


def _beginning(batch: Batch, saved: Checkpoint) -> Draft:
    meta = {"batch_id": batch.batch_id, "checkpoint": f"{saved.label}/{saved.version}"}
    return Draft(
        key="run.started",
        type=EventType.RUN_STARTED,
        phase="",
        message="Run started by a batch",
        progress=0.0,
        meta=meta,
    )
