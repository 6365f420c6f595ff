"""The desk as every way in sees it: what can be asked of it, and what it does meanwhile.

HTTP routes, the page, batch and other protocols all call this class. The ledger is written first,
and what the ledger has accepted is answered as accepted: Prefect is told when it can be reached,
here at once or by the next sweep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from data.contracts.after_decision import (
    ConditionChange,
    ConditionState,
    OfferAnswer,
    OfferState,
)
from data.contracts.batch import BatchSummary
from data.contracts.errors import CreditDeskError
from data.contracts.preview import RulingPreview
from data.contracts.review import Claim, Note, Review, Snooze
from data.contracts.runs import Clearance, RunSummary
from data.settings import Settings
from flows.housekeeping import HousekeepingReport, keep_house
from flows.parties import PartyDigests
from flows.retention import erase_on_request
from flows.runtime.checkpoints import retention
from flows.runtime.execution.desk import this_desk
from flows.runtime.ledger import canaries as canary_rows
from flows.runtime.ledger import cancellations, retries, runs
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import cancel, deployments, feed, states
from flows.runtime.prefect_api.client import PrefectClient, is_reachable, prefect_client
from flows.runtime.prefect_api.launch import launch
from flows.runtime.prefect_api.wake import deliver_answer
from flows.runtime.worker.batches import find_drivers
from flows.runtime.worker.sweep import SWEEP_SECONDS, Duty, SweepCursor, sweep
from flows.service import (
    after_decision,
    answers,
    batches,
    cleared,
    documents,
    forks,
    notes,
    previews,
    submissions,
)
from flows.service.batches import BatchQueries, PortfolioFile
from flows.service.bundles import BundleDesk
from flows.service.canaries import CanaryDesk
from flows.service.operations import OperationsDesk
from flows.service.queries import DeskQueries
from flows.service.requests import (
    Answer,
    Caller,
    ClaimRequest,
    Erased,
    FiledDocument,
    FileDocument,
    NoteRequest,
    ResumeRun,
    SnoozeRequest,
    StartRun,
)

_WAKE_TRIES = 40
_WAKE_PAUSE = 0.05
_PROBE_SECONDS = 2.0
_SWEEPS_PER_DEPLOYMENT = 12
"""After so many sweeps the deployment is looked up again: Prefect's database may be a new one."""

log = logging.getLogger(__name__)


class DeskService(DeskQueries):
    """Everything that a way in can ask for; `DeskQueries` is the part that only reads."""

    def __init__(self, settings: Settings, ledger: Ledger, client: PrefectClient) -> None:
        super().__init__(settings, ledger)
        self.batches = BatchQueries(settings, ledger)
        self.bundles = BundleDesk(settings, ledger)
        self.canaries = CanaryDesk(settings, ledger)
        self.operations = OperationsDesk(ledger, self._workers_heard_of)
        self._client = client
        self._deployment = deployments.declared(settings.prefect_yaml)[0]
        self._deployment_id: UUID | None = None
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[DeskService]:
        """Open the ledger, and a client that does not need Prefect to be up yet."""
        ledger = await asyncio.to_thread(shared_ledger, settings.ledger)
        # Chunks of batches only read the secret, so it has to be there before the first one.
        await asyncio.to_thread(PartyDigests.of_desk, settings.parties_secret)
        async with prefect_client() as client:
            desk = cls(settings, ledger, client)
            desk._run_errand(desk._sweep())
            try:
                yield desk
            finally:
                for errand in desk._errands:
                    errand.cancel()
                # They still use the client, which is closed next.
                await asyncio.gather(*desk._errands, return_exceptions=True)

    # -- runs ------------------------------------------------------------------------------

    async def submit(self, request: StartRun, caller: Caller) -> tuple[RunSummary, bool]:
        """Accept an application and start its run; True when this call started it.

        The same application with the same content and options is the same run. Raises as
        `submissions.submit` does.
        """
        run, is_new = await submissions.submit(self.ledger, self._settings, request, caller)
        if is_new:
            self._run_errand(self._launch(run))
        return await self.run(run.run_id), is_new

    async def resume(
        self, run_id: str, request: ResumeRun, caller: Caller, idempotency_key: str | None = None
    ) -> RunSummary:
        """Let a failed run go on from its last checkpoint; or fork it from a named one.

        Raises ConflictError for a run that is under way, waits for a person, or has ended well,
        when another run has decided its application, and when the map has changed under what it
        has done or what it decides by cannot be read. A fork raises as `forks.fork` does.
        """
        run = await self.ledger.read(runs.find, run_id)
        if request.makes_a_fork:
            forked, is_new = await forks.fork(
                self.ledger, self._settings, run, request, caller, idempotency_key
            )
            if is_new:
                self._run_errand(self._launch(forked))
            return await self.run(forked.run_id)
        await forks.require_able_to_go_on(self.ledger, self._settings, run)
        reopened = await self.ledger.write(retries.reopen, run_id, caller.name)
        feed.publish(reopened)
        if reopened:
            self._run_errand(self._tell(states.reschedule(self._client, run.flow_run_id)))
        return await self.run(run_id)

    async def cancel(self, run_id: str, caller: Caller) -> RunSummary:
        """Stop a run for good; a run that was cancelled already stays so.

        Raises ConflictError when it has ended in another way.
        """
        feed.publish(await self.ledger.write(cancellations.request, run_id, caller.name))
        self._run_errand(self._tell(cancel.deliver_one(self._client, self.ledger, run_id)))
        return await self.run(run_id)

    async def hold(self, run_id: str, caller: Caller, *, held: bool) -> RunSummary:
        """Put a run under a legal hold, or release it: nothing of a held run is purged."""
        await self.ledger.write(retention.hold, run_id, held=held)
        log.info("run %s: legal hold %s by %s", run_id, held, caller.name or "an unnamed caller")
        return await self.run(run_id)

    # -- batches ---------------------------------------------------------------------------

    async def start_batch(self, file: PortfolioFile, caller: Caller) -> tuple[BatchSummary, bool]:
        """Enter a batch and start its driver; True when this call caused the start.

        The same content with the same options is the same batch. One that failed or was cancelled
        goes on with what is left of it.
        """
        batch_id, is_new = await self.ledger.write(batches.enter, file, caller)
        if is_new:
            self._run_errand(self._tell(find_drivers(self._client, self.ledger, self._settings)))
        return await self.batches.find(batch_id), is_new

    async def cancel_batch(self, batch_id: str, caller: Caller) -> BatchSummary:
        """Stop a batch after the chunks that are under way; their decisions stay.

        One that was cancelled already stays so. Raises ConflictError when every row is done.
        """
        feed.publish(await self.ledger.write(batches.cancel, batch_id))
        log.info("batch %s: cancelled by %s", batch_id, caller.name or "an unnamed caller")
        return await self.batches.find(batch_id)

    # -- people ----------------------------------------------------------------------------

    async def answer(
        self,
        run_id: str,
        answer: Answer,
        caller: Caller,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> RunSummary:
        """Check an answer, record it, and wake the run. Raises as `answers.record` does."""
        run = await self.ledger.read(runs.find, run_id)
        await forks.require_able_to_go_on(self.ledger, self._settings, run)
        review = await answers.record(
            self.ledger, self._settings, run_id, answer, caller, idempotency_key, request_id
        )
        self._run_errand(self._wake(review))
        return await self.run(run_id)

    async def preview(
        self, run_id: str, answer: Answer, caller: Caller, request_id: str | None = None
    ) -> RulingPreview:
        """Say what an answer would bring; nothing is stored. Raises as `answer` does."""
        run = await self.ledger.read(runs.find, run_id)
        await forks.require_able_to_go_on(self.ledger, self._settings, run)
        ledger, settings = self.ledger, self._settings
        return await previews.preview(ledger, settings, run, answer, caller, request_id)

    async def answer_offer(
        self, decided: dict[str, Any], answer: OfferAnswer, caller: Caller
    ) -> OfferState:
        """Enter the answer to an offer. Raises as `after_decision.answer_offer` does."""
        return await self.ledger.write(after_decision.answer_offer, decided, answer, caller)

    async def change_condition(
        self, decided: dict[str, Any], code: str, change: ConditionChange, caller: Caller
    ) -> ConditionState:
        """Note what became of a condition. Raises as `after_decision.change_condition` does."""
        return await self.ledger.write(
            after_decision.change_condition, decided, code, change, caller
        )

    async def claim(self, run_id: str, request: ClaimRequest, caller: Caller) -> Claim:
        """Keep what a run asks for one reviewer, for a while; again, to keep it longer."""
        minutes = self._settings.claim_minutes
        return await answers.claim(self.ledger, run_id, request, caller, minutes)

    async def release(self, run_id: str, request: ClaimRequest, caller: Caller) -> None:
        """Put back what this reviewer has claimed."""
        await answers.release(self.ledger, run_id, request, caller)

    async def snooze(self, run_id: str, request: SnoozeRequest, caller: Caller) -> Snooze:
        """Put what a run asks aside until a time. Raises as `answers.snooze` does."""
        snoozed, written = await answers.snooze(self.ledger, run_id, request, caller)
        feed.publish(written)
        return snoozed

    async def wake(self, run_id: str, request: ClaimRequest, caller: Caller) -> None:
        """Take a snoozed request back into the inbox. Raises as `answers.wake` does."""
        feed.publish(await answers.wake(self.ledger, run_id, request, caller))

    async def write_note(
        self, run_id: str, request: NoteRequest, caller: Caller, idempotency_key: str | None = None
    ) -> Note:
        """Keep a note on a run's case, and tell its followers. Raises as `notes.write` does."""
        note, written = await self.ledger.write(
            notes.write, run_id, request, caller, idempotency_key
        )
        feed.publish(written)
        return note

    async def confirm_clearance(
        self, clearance_id: str, request: ClaimRequest, caller: Caller
    ) -> Clearance:
        """Let a clearance count, as the second person. Raises as `cleared.confirm` does."""
        return await self.ledger.write(
            cleared.confirm, self._settings, clearance_id, request, caller
        )

    async def file_document(
        self, application_id: str, request: FileDocument, caller: Caller
    ) -> tuple[FiledDocument, bool]:
        """Add a document to an application's file; False when the same one is there already."""
        ledger, settings = self.ledger, self._settings
        return await documents.file_document(ledger, settings, application_id, request, caller)

    async def erase(self, application_id: str, caller: Caller) -> Erased:
        """Erase an application's personal data for good; a tombstone with its digests stays.

        Raises RecordNotFoundError, and ConflictError where the law keeps it longer, and while a run
        of it goes on or is under a legal hold.
        """
        erased_at = await self.ledger.write(erase_on_request, application_id, self._settings)
        who = caller.name or "an unnamed caller"
        log.info("application %s: personal data erased by %s", application_id, who)
        return Erased(application_id=application_id, erased_at=erased_at)

    # -- the desk itself -------------------------------------------------------------------

    async def is_ready(self) -> dict[str, bool]:
        """Whether each part that a new run needs answers, and soon."""
        asked = {
            "ledger": self._ledger_answers(),
            "prefect": is_reachable(self._client),
            "worker": self._worker_is_there(),
        }
        answers = await asyncio.gather(*map(_says_yes, asked.values()))
        return dict(zip(asked, answers, strict=True))

    async def wakeups(self) -> AsyncIterator[str]:
        """Ids of runs of which something new is in the journal. Lossy: ask the journal too."""
        async for signal in feed.listen(prefix="desk."):
            if signal.name:
                yield signal.subject_id

    async def housekeeping(self, *, dry_run: bool) -> HousekeepingReport:
        """Do a round of housekeeping now, or say what it would purge."""
        return await keep_house(self.ledger, self._settings, dry_run=dry_run, client=self._client)

    # -- inside ----------------------------------------------------------------------------

    async def _deployed(self) -> UUID:
        if self._deployment_id is None:
            self._deployment_id = await deployments.find(self._client, self._deployment)
        return self._deployment_id

    async def _launch(self, run: Run) -> None:
        """Tell Prefect of a run at once, if it can be reached; if not, the next sweep does.

        No caller waits for this: a server that hangs would hang the caller too.
        """
        try:
            await launch(self._client, self.ledger, await self._deployed(), run)
        except CreditDeskError as error:
            self._deployment_id = None
            log.warning("run %s starts later: %s", run.run_id, error)

    async def _tell(self, call: Coroutine[Any, Any, None]) -> None:
        """Tell Prefect of what the ledger has accepted; if that fails, the next sweep does it."""
        with suppress(CreditDeskError):
            await call

    def _run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something beside the requests; it ends with this process at the latest."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _sweep(self) -> None:
        """Finish what other processes began, as workers do too: there may be no worker left."""
        cursor, sweeps = SweepCursor(), 0
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            sweeps += 1
            if sweeps % _SWEEPS_PER_DEPLOYMENT == 0:
                with suppress(CreditDeskError):  # a new database has the deployment by another id
                    found = await deployments.find(self._client, self._deployment)
                    self._deployment_id = found
            instance = this_desk().instance
            own = [Duty(canary_rows.has_news, self.canaries.look)]
            await sweep(self._client, self.ledger, self._deployed, instance, cursor, own)

    async def _wake(self, review: Review) -> None:
        """Resume the run, which may still be falling asleep; in the end the sweep does."""
        for _ in range(_WAKE_TRIES):
            try:
                if await deliver_answer(self._client, self.ledger, review):
                    return
            except CreditDeskError as error:
                log.info("run %s is not awake yet: %s", review.run_id, error)
            await asyncio.sleep(_WAKE_PAUSE)

    async def _ledger_answers(self) -> bool:
        await self.ledger.read(lambda connection: connection.execute(sa.text("select 1")))
        return True

    async def _worker_is_there(self) -> bool:
        return bool(await self._workers_heard_of())

    async def _workers_heard_of(self) -> set[str]:
        return await deployments.workers_heard_of(self._client, [self._deployment.pool])


async def _says_yes(part: Awaitable[bool]) -> bool:
    """Whether a part answers yes soon: Prefect's client would try for most of a minute."""
    with suppress(CreditDeskError, TimeoutError):
        async with asyncio.timeout(_PROBE_SECONDS):
            return await part
    return False
