"""A desk on a ledger alone: runs are entered as a worker leaves them when they wait at a gate."""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.case import CaseFile, Persona
from data.contracts.review import Review
from data.contracts.runs import RunStatus
from data.contracts.screening import WATCHLIST_RECORD
from data.settings import Settings, settings
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import applications, pinned, restricted, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.service.desk import DeskService
from flows.workflow import WORKFLOW
from tests.flows.inline import Says, Underwritten, underwritten

RUN = "8b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d"


class WithoutPrefect(DeskService):
    """There is no Prefect in which a run starts or sleeps."""

    async def _launch(self, run: Run) -> None:
        """Leave the run to the next sweep."""

    async def _wake(self, review: Review) -> None:
        """Leave the answer to the next sweep."""


def desk_on(ledger: Ledger, chosen: Settings | None = None) -> DeskService:
    return WithoutPrefect(chosen or settings(), ledger, cast(Any, None))


async def waiting(
    ledger: Ledger,
    case: Persona | CaseFile,
    *steps: Says,
    run_id: str = RUN,
    submitted_by: str = "",
) -> Underwritten:
    """Take a case to the gate after these answers, and enter its run in the ledger."""
    handed_in = case.case if isinstance(case, Persona) else case
    done = await underwritten(case, *steps)
    saved = done.record.last_checkpoint
    assert saved is not None
    saved = saved.model_copy(update={"run_id": run_id})
    key = f"checkpoints/{run_id}"
    stored = await CheckpointStore().put(key, saved.model_dump(mode="json"))

    def enter(connection: sa.Connection) -> None:
        _enter(connection, handed_in, done, run_id, submitted_by)
        checkpoints.index(connection, saved, key, stored)

    await ledger.write(enter)
    return done


def _enter(
    connection: sa.Connection,
    case: CaseFile,
    done: Underwritten,
    run_id: str,
    submitted_by: str,
) -> None:
    name, body = case.application.application_id, canonical_json(case)
    applications.accept(connection, name, case.inputs_sha256(), body)
    runs.register(
        connection,
        run_id,
        f"application:{name}",
        application_id=name,
        state=done.run.state.model_dump(mode="json"),
        status=RunStatus.WAITING,
        submitted_by=submitted_by,
    )
    pinned.pin(connection, run_id, WORKFLOW.version, current_rulebook(settings().data_dir))
    if found := done.record.restricted.get(WATCHLIST_RECORD):
        restricted.keep(connection, run_id, WATCHLIST_RECORD, found)
    *answered, last = done.script.asked
    for (gate, request), given in zip(answered, done.script.given, strict=True):
        review = reviews.ask(connection, run_id, gate, 1, request)
        reviews.answer(connection, review, given.form.model_dump(mode="json"), given.by)
    reviews.ask(connection, run_id, last[0], 1, last[1])
