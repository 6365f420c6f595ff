"""The desk behind the routes: the ledger, and the only file of `api/` that talks to Prefect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import sqlalchemy as sa
from opentelemetry import propagate, trace
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from api.records import Records
from api.schemas import (
    Answer,
    Caller,
    ResumeRun,
    StartRun,
)
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import (
    AlreadyDecidedError,
    AuthorityError,
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    Problem,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.review import Answerer, Review, ReviewStatus, Role
from data.contracts.runs import RunOptions, RunSummary
from data.settings import FanOutPolicy, Settings
from flows.case import in_hand
from flows.housekeeping import HousekeepingReport, keep_house
from flows.review_forms import GATES, bound, form_at
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints.store import shared_ledger
from flows.runtime.execution.desk import this_desk
from flows.runtime.execution.gatekeeper import filled_in
from flows.runtime.ledger import decisions, journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import ForkOrder, Order
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import cancel, states
from flows.runtime.prefect_api.deployments import Deployment, declared
from flows.runtime.prefect_api.launch import launch, launch_fork
from flows.runtime.prefect_api.notifications import arrange_notifications
from flows.runtime.worker import lost_workers, sweep
from flows.service import forks
from tools.case_files import load_case
from tools.personal_data_filter import require_discreet

_MAY_DECIDE = {Role.SENIOR_UNDERWRITER}
_WAKE_TRIES = 40
_WAKE_PAUSE = 0.05
_WORKER_SILENT_SECONDS = 30
_SWEEP_SECONDS = 5.0

log = logging.getLogger(__name__)


class Gateway(Records):
    """Everything the routes can ask for. The ledger is written before Prefect is told."""

    def __init__(self, settings: Settings, ledger: Ledger, client: PrefectClient) -> None:
        super().__init__(settings, ledger)
        self._client = client
        self._deployment: Deployment = declared(settings.prefect_yaml)[0]
        self._deployment_id: UUID | None = None
        self._errands: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Gateway]:
        """Open the ledger, and a client that does not need Prefect to be up yet."""
        ledger = await asyncio.to_thread(shared_ledger, settings.ledger)
        async with get_client() as client:
            desk = cls(settings, ledger, client)
            desk._run_errand(desk._sweep())
            desk._run_errand(desk._arrange_notifications())
            try:
                yield desk
            finally:
                for errand in desk._errands:
                    errand.cancel()

    # -- runs ------------------------------------------------------------------------------

    async def start(self, order: StartRun, caller: Caller) -> tuple[RunSummary, bool]:
        """Accept an application and start its run; True when this call started it.

        The same application with the same content and options is the same run. Raises
        ConflictError when something else is filed under its id, RecordNotFoundError or
        RecordCorruptError for an application that is not on file, ContractViolationError for an id
        that tells what is personal in it, UnavailableError when
        Prefect is out of reach (the application is kept then, and started later).
        """
        await asyncio.to_thread(self._require_bundle, order.options.bundle)
        case = await self._case(order)
        application_id = case.application.application_id
        options = order.options.run_options
        asked = Order(
            name=f"underwrite {application_id}",
            options=options,
            submitted_by=caller.name,
            traceparent=_traceparent(),
        )

        def accept(connection: sa.Connection) -> Run | None:
            runs.accept(
                connection,
                application_id,
                case.inputs_sha256(),
                canonical_json(case),
                asked.model_dump(mode="json"),
            )
            return runs.find_by_origin(connection, f"application:{application_id}")

        known = await self.ledger.write(accept)
        run = known or await launch(
            self._client, self.ledger, await self._deployed(), application_id, asked
        )
        if dict(run.options) != options.model_dump(mode="json"):
            raise ConflictError(f"{application_id} is underwritten with other options")
        return await self.run(run.run_id), not known and run.traceparent == asked.traceparent

    async def resume(self, run_id: str, order: ResumeRun, caller: Caller) -> RunSummary:
        """Let a failed run go on from its last checkpoint; or fork it from a named one.

        Raises ConflictError for a run that is under way, waits for a person, or has ended well,
        when another run has decided its application, and when the map has changed under what it
        has done or what it decides by cannot be read; CheckpointNotFoundError,
        ContractViolationError and AuthorityError for a fork that cannot be.
        """
        run = await self.ledger.read(runs.find, run_id)
        if order.makes_a_fork:
            return await self._fork(run, order, caller)
        await forks.require_able_to_go_on(self.ledger, run)
        requeued = await self.ledger.write(lost_workers.requeue, run_id, caller.name)
        journal.publish(requeued)
        if requeued:
            with _prefect_errors():
                await states.reschedule(self._client, run_id)
        return await self.run(run_id)

    async def cancel(self, run_id: str, caller: Caller) -> RunSummary:
        """Stop a run for good. Raises ConflictError when it has ended already."""
        journal.publish(await self.ledger.write(cancel.request, run_id, caller.name))
        with _prefect_errors():
            await cancel.deliver_one(self._client, self.ledger, run_id)
        return await self.run(run_id)

    async def _fork(self, parent: Run, order: ResumeRun, caller: Caller) -> RunSummary:
        if order.decide and not _MAY_DECIDE & set(caller.roles):
            raise AuthorityError("a fork that decides needs a senior underwriter")
        if order.decide and await self.ledger.read(decisions.is_decided, parent.application_id):
            raise AlreadyDecidedError(f"application {parent.application_id} has been decided")
        fork = await forks.prepare_fork(
            self.ledger,
            parent,
            order.checkpoint,
            order.overrides,
            may_decide=order.decide,
        )
        link = propagate.extract({"traceparent": parent.traceparent})
        trace.get_current_span().add_link(trace.get_current_span(link).get_span_context())
        options = RunOptions.model_validate(parent.options)
        if policy := fork.overrides.get("fan_out_policy"):
            options = options.model_copy(update={"fan_out_policy": FanOutPolicy(policy)})
        asked = ForkOrder(
            name=f"what-if {parent.application_id}",
            application_id=parent.application_id,
            lineage=fork,
            options=options,
            submitted_by=caller.name,
            traceparent=_traceparent(),
            tags=("what-if",) if not order.decide else (),
        )
        with _prefect_errors():
            run = await launch_fork(self._client, self.ledger, await self._deployed(), asked)
        return await self.run(run.run_id)

    # -- people ----------------------------------------------------------------------------

    async def answer(
        self, run_id: str, answer: Answer, caller: Caller, idempotency_key: str | None
    ) -> RunSummary:
        """Check an answer, record it, and wake the run.

        Raises GateNotFoundError, AuthorityError, AnswerRejectedError, AlreadyAnsweredError,
        ClaimedError or ReviewTimeoutError, ConflictError when the run has ended or could not go
        on with it (`forks.require_able_to_go_on`); nothing is changed then.
        """
        proven_name = {"reviewer": caller.name} if caller.proven else {}

        def judge(connection: sa.Connection) -> tuple[Review, dict[str, Any], Answerer]:
            run = runs.find(connection, run_id)
            review = reviews.meant(connection, run_id, answer.gate, idempotency_key)
            form = bound(form_at(answer.gate), in_hand(connection, run))
            filled = filled_in(form, answer.fields | proven_name)
            by = Answerer(
                reviewer=filled.reviewer,
                roles=form.acting_as(review.request, caller.roles),
                channel=caller.channel,
                proven=caller.proven,
                keyed=caller.proven or self._settings.has_api_keys,
            )
            if review.status is ReviewStatus.OPEN:  # or it repeats what has been judged
                if run.status.has_ended:
                    raise ConflictError(f"run {run_id} has ended: it is {run.status.value}")
                filled.check(review.request, by)
                filled.screen()
                filled.check_papers(review.request, runs.paper_ids(connection, run_id))
            return review, filled.model_dump(mode="json"), by

        def record(
            connection: sa.Connection, review: Review, fields: dict[str, Any], by: Answerer
        ) -> Review:
            reviews.answer(connection, review, fields, by, idempotency_key)
            return review.model_copy(update={"fields": fields})

        await forks.require_able_to_go_on(self.ledger, await self.ledger.read(runs.find, run_id))
        judged = await self.ledger.read(judge)
        review = await self.ledger.write(record, *judged)
        self._run_errand(self._wake(review))
        return await self.run(run_id)

    # -- the rest --------------------------------------------------------------------------

    async def is_ready(self) -> dict[str, bool]:
        """Whether each part that a new run needs answers."""
        return {
            "ledger": await self._ledger_answers(),
            "prefect": await self._prefect_answers(),
            "worker": await self._worker_is_there(),
        }

    async def wakeups(self) -> AsyncIterator[str]:
        """Ids of runs of which something new is in the journal. Lossy: ask the journal too."""
        names = EventFilter(event=EventNameFilter(prefix=["desk."]))
        while True:
            try:
                async with get_events_subscriber(filter=names, reconnection_attempts=0) as feed:
                    async for event in feed:
                        yield event.resource.id.removeprefix("desk.run.")
            except Exception as error:
                log.info("the event stream ended (%s); subscribing again", type(error).__name__)
            await asyncio.sleep(0.5)

    # -- keeping house ---------------------------------------------------------------------

    async def housekeeping(self, *, dry_run: bool) -> HousekeepingReport:
        """Do a round of housekeeping now, or say what it would purge."""
        with _prefect_errors():
            return await keep_house(
                self.ledger, self._settings, dry_run=dry_run, client=self._client
            )

    async def _arrange_notifications(self) -> None:
        """Once, as soon as Prefect is there."""
        while True:
            try:
                await arrange_notifications(self._client, GATES, self._settings.notify_url)
                return
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                log.info("notifications are not arranged yet: %s", type(error).__name__)
            except Exception:
                log.exception("notifications could not be arranged")
                return
            await asyncio.sleep(_SWEEP_SECONDS)

    # -- inside ----------------------------------------------------------------------------

    def _require_bundle(self, version: str | None) -> None:
        """A run decides by the bundle in force; asking for another is refused, not ignored."""
        in_force = current_rulebook(self._settings.data_dir).policy.version
        if version not in {None, in_force}:
            problem = Problem("/options/bundle", "unknown_bundle", f"in force is {in_force}")
            raise ContractViolationError("there is no decision bundle of that version", [problem])

    async def _case(self, order: StartRun) -> CaseFile:
        if order.application is not None:
            case = order.application
        else:
            assert order.application_id is not None
            case = await self._on_file(order.application_id)
        if order.chosen_ids:
            await asyncio.to_thread(require_discreet, case, order.chosen_ids)
        return case.renamed(order.options.as_) if order.options.as_ else case

    async def _on_file(self, application_id: str) -> CaseFile:
        """From the vault if it was accepted before, else from the data folder."""
        try:
            filed = await self.ledger.read(runs.filed, application_id)
            return CaseFile.model_validate_json(filed.body)
        except RecordNotFoundError:
            return await asyncio.to_thread(load_case, self._settings.data_dir, application_id)

    async def _deployed(self) -> UUID:
        if self._deployment_id is None:
            flow_name = self._deployment.load().name
            with _prefect_errors():
                try:
                    found = await self._client.read_deployment_by_name(
                        f"{flow_name}/{self._deployment.name}"
                    )
                except ObjectNotFound:
                    raise UnavailableError("no worker has registered the deployment") from None
            self._deployment_id = found.id
        return self._deployment_id

    def _run_errand(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something beside the requests; it ends with this process at the latest."""
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _sweep(self) -> None:
        """Finish what others began, as workers do too: there may be no worker to come back."""
        turn = sweep.Turn()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                deployment_id, instance = await self._deployed(), this_desk().instance
                await sweep.sweep(self._client, self.ledger, deployment_id, instance, turn)
            except CreditDeskError as error:
                log.info("no sweep: %s", error)
            except Exception:
                log.exception("a sweep failed; the next one comes")

    async def _wake(self, review: Review) -> None:
        """Resume the run, which may still be falling asleep; at last the worker's sweep does."""
        for _ in range(_WAKE_TRIES):
            try:
                if await sweep.wake(self._client, review):
                    await self.ledger.write(reviews.mark_delivered, review)
                    return
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                log.info("run %s is not awake yet: %s", review.run_id, type(error).__name__)
            except CreditDeskError as error:
                log.warning("run %s could not be woken: %s", review.run_id, error)
            await asyncio.sleep(_WAKE_PAUSE)

    async def _ledger_answers(self) -> bool:
        try:
            await self.ledger.read(lambda connection: connection.execute(sa.text("select 1")))
        except CreditDeskError:
            return False
        return True

    async def _prefect_answers(self) -> bool:
        return await self._client.api_healthcheck() is None

    async def _worker_is_there(self) -> bool:
        with suppress(httpx.HTTPError, ObjectNotFound, PrefectHTTPStatusError):
            workers = await self._client.read_workers_for_work_pool(self._deployment.pool)
            now = datetime.now(UTC)
            return any(
                worker.last_heartbeat_time
                and (now - worker.last_heartbeat_time).total_seconds() < _WORKER_SILENT_SECONDS
                for worker in workers
            )
        return False


@contextmanager
def _prefect_errors() -> Iterator[None]:
    """Translate what Prefect's client raises into our own error."""
    try:
        yield
    except (httpx.TransportError, PrefectHTTPStatusError) as error:
        raise UnavailableError(
            f"the Prefect server did not answer: {type(error).__name__}"
        ) from None


def _traceparent() -> str:
    """The span of the request under way, as its run will remember it."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")
