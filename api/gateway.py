"""The desk behind the routes: the ledger, and the only file of `api/` that talks to Prefect."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import httpx
import sqlalchemy as sa
from opentelemetry import propagate
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import AwaitingRetry

from api.schemas import (
    Answer,
    Caller,
    InboxItem,
    OpenRequest,
    ResumeRun,
    RunPage,
    RunState,
    StartRun,
)
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import (
    ConflictError,
    ContractViolationError,
    CreditDeskError,
    Problem,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.events import EventType
from data.contracts.review import Answerer, Review, Role
from data.contracts.runs import Failure, Lineage, Links, RunStatus, RunSummary, WaitingFor
from data.settings import Settings
from flows.gates import form_at
from flows.runtime import checkpoints, decisions, drawing, events, messages, recovery, reviews, runs
from flows.runtime.deployments import Deployment, declared
from flows.runtime.events import Draft, current_trace
from flows.runtime.gate import filled_in, prefilled
from flows.runtime.launch import Order, launch
from flows.runtime.ledger import Ledger
from flows.runtime.runs import Run
from flows.runtime.storage import shared_ledger
from flows.workflow import WORKFLOW
from tools.case_files import load_case

_WAKE_TRIES = 40
_WAKE_PAUSE = 0.05
_WORKER_SILENT_SECONDS = 30

log = logging.getLogger(__name__)


class Gateway:
    """Everything the routes can ask for. The ledger is written before Prefect is told."""

    def __init__(self, settings: Settings, ledger: Ledger, client: PrefectClient) -> None:
        self.ledger = ledger
        self._settings = settings
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
        RecordCorruptError for an application that is not on file, UnavailableError when
        Prefect is out of reach (the application is kept then, and started later).
        """
        case = await self._case(order)
        application_id = case.application.application_id
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        options = order.options.run_options
        asked = Order(
            name=f"underwrite {application_id}",
            options=options,
            submitted_by=caller.name,
            traceparent=carrier.get("traceparent", ""),
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
        if known is not None:
            if dict(known.options) != options.model_dump(mode="json"):
                raise ConflictError(f"{application_id} is underwritten with other options")
            return await self.run(known.run_id), False
        run = await launch(self._client, self.ledger, await self._deployed(), application_id, asked)
        return await self.run(run.run_id), run.traceparent == asked.traceparent

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        application_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """A page of runs, newest first."""

        def read(connection: sa.Connection) -> list[RunSummary]:
            page = runs.page(
                connection,
                limit=limit + 1,
                before=_before(cursor),
                status=status,
                application_id=application_id,
            )
            return self._summaries(connection, page)

        found = await self.ledger.read(read)
        more = found[limit - 1] if len(found) > limit else None
        return RunPage(items=tuple(found[:limit]), next_cursor=_cursor(more) if more else None)

    async def run(self, run_id: str) -> RunSummary:
        """Where a run stands."""

        def read(connection: sa.Connection) -> RunSummary:
            return self._summaries(connection, [runs.find(connection, run_id)])[0]

        return await self.ledger.read(read)

    async def state(self, run_id: str) -> RunState:
        """What a run knows and what was said in it; findings hold nothing personal."""

        def read(connection: sa.Connection) -> RunState:
            run = runs.find(connection, run_id)
            return RunState(
                run_id=run_id,
                status=run.status,
                phase=run.phase,
                state=dict(run.state),
                checkpoints=tuple(checkpoints.entries(connection, run_id)),
                memory=tuple(messages.of_run(connection, run_id)),
            )

        return await self.ledger.read(read)

    async def decision(self, run_id: str) -> dict[str, Any]:
        """The decision in its envelope. Raises RecordNotFoundError while there is none."""
        return await self.ledger.read(decisions.find, run_id)

    async def resume(self, run_id: str, order: ResumeRun, caller: Caller) -> RunSummary:
        """Let a run that has failed go on from its last checkpoint.

        Raises ConflictError for a run that is under way, waits for a person or has ended well.
        """
        if order.makes_a_fork:
            raise ContractViolationError(
                "forks from a named checkpoint are not available on this desk yet",
                [Problem("/checkpoint", "not_available", "leave it out to go on in this run")],
            )

        def requeue(connection: sa.Connection) -> None:
            run = runs.find(connection, run_id)
            if run.status not in {RunStatus.FAILED, RunStatus.QUEUED}:
                raise ConflictError(f"run {run_id} is {run.status.value} and cannot be resumed")
            trace_id, span_id = current_trace()
            draft = Draft(
                key=f"requeued/{run.lease_epoch}",
                type=EventType.PROGRESS,
                phase=run.phase,
                message="Resumed on request",
                progress=run.progress,
                meta={"by": caller.name},
                trace_id=trace_id,
                span_id=span_id,
            )
            events.append(connection, run_id, [draft], status=RunStatus.QUEUED, error=None)

        await self.ledger.write(requeue)
        with _prefect_errors():
            await self._client.set_flow_run_state(UUID(run_id), AwaitingRetry(), force=True)
        return await self.run(run_id)

    # -- people ----------------------------------------------------------------------------

    async def open_request(self, run_id: str) -> OpenRequest:
        """What a run asks right now, and the form to answer with."""

        def read(connection: sa.Connection) -> Review:
            runs.find(connection, run_id)
            return reviews.the_open_one(connection, run_id, None)

        review = await self.ledger.read(read)
        form = prefilled(form_at(review.gate), review.request)
        return OpenRequest(review=review, form_schema=form.model_json_schema())

    async def answer(
        self, run_id: str, answer: Answer, caller: Caller, idempotency_key: str | None
    ) -> RunSummary:
        """Check an answer, record it, and wake the run.

        Raises GateNotFoundError, AuthorityError, AnswerRejectedError, AlreadyAnsweredError or
        ReviewTimeoutError; nothing is changed then.
        """
        by = Answerer(
            reviewer=caller.name if caller.proven else answer.reviewer,
            roles=caller.roles,
            channel=caller.channel,
            proven=caller.proven,
        )

        def record(connection: sa.Connection) -> Review:
            runs.find(connection, run_id)
            review = reviews.meant(connection, run_id, answer.gate, idempotency_key)
            form = filled_in(form_at(answer.gate), answer.fields)
            form.check(review.request, by)
            reviews.answer(connection, review, form.model_dump(mode="json"), by, idempotency_key)
            return review.model_copy(update={"fields": form.model_dump(mode="json")})

        review = await self.ledger.write(record)
        errand = asyncio.create_task(self._wake(review))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
        return await self.run(run_id)

    async def inbox(self, role: Role | None = None) -> tuple[InboxItem, ...]:
        """What waits for somebody, the most urgent first."""

        def read(connection: sa.Connection) -> tuple[InboxItem, ...]:
            return tuple(
                self._inbox_item(review, runs.find(connection, review.run_id))
                for review in reviews.open_reviews(connection)
                if role in {None, review.request.role}
            )

        return await self.ledger.read(read)

    # -- the rest --------------------------------------------------------------------------

    async def graph(self, fmt: Literal["svg", "dot", "json"], run_id: str | None = None) -> str:
        """The map as a drawing, with a run's states on it."""
        statuses = await self.ledger.read(_node_statuses, run_id) if run_id else {}
        draw = {"svg": drawing.to_svg, "dot": drawing.to_dot, "json": drawing.to_json}[fmt]
        return await asyncio.to_thread(draw, WORKFLOW, statuses)

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

    # -- inside ----------------------------------------------------------------------------

    async def _case(self, order: StartRun) -> CaseFile:
        if order.application is not None:
            case = order.application
        else:
            assert order.application_id is not None
            case = await self._on_file(order.application_id)
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

    async def _wake(self, review: Review) -> None:
        """Resume the run, which may still be falling asleep; at last the worker's sweep does."""
        for _ in range(_WAKE_TRIES):
            try:
                if await recovery.wake(self._client, review):
                    await self.ledger.write(reviews.mark_delivered, review)
                    return
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                log.info("run %s is not awake yet: %s", review.run_id, type(error).__name__)
            except CreditDeskError as error:
                log.warning("run %s could not be woken: %s", review.run_id, error)
            await asyncio.sleep(_WAKE_PAUSE)

    def _summaries(self, connection: sa.Connection, page: list[Run]) -> list[RunSummary]:
        ids = [run.run_id for run in page]
        decided = decisions.of_runs(connection, ids)
        waiting = {review.run_id: review for review in reviews.open_reviews(connection)}
        return [
            self._summary(run, decided.get(run.run_id), waiting.get(run.run_id)) for run in page
        ]

    def _summary(
        self, run: Run, decided: Mapping[str, Any] | None, review: Review | None
    ) -> RunSummary:
        return RunSummary(
            run_id=run.run_id,
            application_id=run.application_id,
            status=run.status,
            phase=run.phase,
            progress=run.progress,
            decision=_decision(run, decided),
            waiting_for=(
                WaitingFor(
                    gate=review.gate,
                    role=review.request.role.value,
                    title=review.request.title,
                    due_at=review.due_at,
                )
                if review and run.status is RunStatus.WAITING
                else None
            ),
            error=Failure.model_validate(run.error) if run.error else None,
            versions=dict(run.versions),
            workflow_version=run.workflow_version,
            lineage=(
                Lineage(parent_run_id=run.parent_run_id, forked_at="")
                if run.parent_run_id
                else None
            ),
            trace_id=run.trace_id,
            created_at=run.created_at,
            updated_at=run.updated_at,
            links=self._links(run, decided is not None),
        )

    def _links(self, run: Run, decided: bool) -> Links:
        here = f"{self._settings.api_url}/runs/{run.run_id}"
        return Links(
            self=here,
            events=f"{here}/events",
            state=f"{here}/state",
            graph=f"{self._settings.api_url}/workflow/graph.svg?run_id={run.run_id}",
            trace=self._settings.trace_url.format(trace_id=run.trace_id),
            prefect=f"{self._settings.prefect_url}/v2/runs/flow-run/{run.run_id}",
            decision=f"{here}/decision" if decided else None,
        )

    def _inbox_item(self, review: Review, run: Run) -> InboxItem:
        return InboxItem(
            run_id=run.run_id,
            application_id=run.application_id,
            gate=review.gate,
            role=review.request.role,
            title=review.request.title,
            reasons=review.request.reasons,
            opened_at=review.opened_at,
            due_at=review.due_at,
            age_seconds=round((datetime.now(UTC) - review.opened_at).total_seconds(), 3),
            facts=review.request.facts,
            links=self._links(run, decided=False),
        )

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


def _decision(run: Run, decided: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is settled so far: the policy's recommendation, then the outcome with its reasons."""
    if decided is not None:
        return {
            "recommendation": decided["recommendation"],
            "outcome": decided["outcome"],
            "reasons": decided["principal_reasons"],
            "offer": decided["offer"],
            "content_sha256": decided["content_sha256"],
        }
    policy = run.state.get("policy")
    return {"recommendation": policy["recommendation"]} if policy else None


def _node_statuses(connection: sa.Connection, run_id: str) -> dict[str, drawing.NodeStatus]:
    """How far a run is, node by node, told from its journal."""
    run = runs.find(connection, run_id)
    status: dict[str, drawing.NodeStatus] = {"start": drawing.NodeStatus.DONE}
    if run.status is RunStatus.COMPLETED:
        status["end"] = drawing.NodeStatus.DONE
    for body in events.read(connection, run_id, limit=10_000):
        event = json.loads(body)
        for node_id, state in _told_by(event):
            status[node_id] = state
    if run.status is RunStatus.FAILED and run.phase:
        for node in WORKFLOW.nodes_of(run.phase):
            if status.get(node.id) is drawing.NodeStatus.RUNNING:
                status[node.id] = drawing.NodeStatus.FAILED
    return status


def _told_by(event: Mapping[str, Any]) -> list[tuple[str, drawing.NodeStatus]]:
    running, done = drawing.NodeStatus.RUNNING, drawing.NodeStatus.DONE
    phase, meta = event["phase"], event["meta"]
    stage = [
        node.id for node in (WORKFLOW.nodes_of(phase) if phase else ()) if node.kind.value != "hitl"
    ]
    match event["type"]:
        case EventType.STAGE_STARTED:
            return [(node_id, running) for node_id in stage]
        case EventType.STAGE_COMPLETED:
            return [(node_id, done) for node_id in stage]
        case EventType.STAGE_SKIPPED:
            return [(node_id, drawing.NodeStatus.SKIPPED) for node_id in stage]
        case EventType.AGENT_COMPLETED if meta["agent"] in stage:
            return [(meta["agent"], done)]
        case EventType.WAITING:
            return [(meta["gate"], drawing.NodeStatus.WAITING)]
        case EventType.HITL_RESOLVED:
            return [(meta["gate"], done)]
        case _:
            return []


def _cursor(run: RunSummary) -> str:
    stamp = run.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return base64.urlsafe_b64encode(f"{stamp}|{run.run_id}".encode()).decode()


def _before(cursor: str | None) -> tuple[str, str] | None:
    if cursor is None:
        return None
    try:
        stamp, _, run_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
    except ValueError:
        stamp = run_id = ""
    if not run_id:
        raise ContractViolationError(
            "the cursor is not one of ours",
            [Problem("cursor", "invalid_cursor", "use next_cursor of the page before")],
        )
    return stamp, run_id
