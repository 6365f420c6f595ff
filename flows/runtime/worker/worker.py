"""The warm worker: one process that executes many runs, and is told when there is one.

Prefect only hands out work to those who ask, so the worker subscribes to the events that say
that asking is worth while, and asks every few seconds anyway: the live stream loses events.
It takes a run twice over: Prefect's Pending state (a second proposal is refused) and a lease
in the ledger, whose epoch every write names.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

import httpx
from prefect import Flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.exceptions import Abort, Pause, PrefectHTTPStatusError
from prefect.flow_engine import run_flow_async
from prefect.states import Cancelled, Failed

from data.contracts.errors import ConflictError, CreditDeskError, RecordNotFoundError
from data.contracts.events import Event
from data.settings import Settings
from flows.runtime.execution.desk import Desk, this_desk
from flows.runtime.execution.open_run import Execution, execution
from flows.runtime.host import parent_pipe, telemetry
from flows.runtime.ledger import journal, retries, run_requests, runs
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import cancel, scheduled, states
from flows.runtime.prefect_api.deployments import Deployment, declared, register
from flows.runtime.worker import sweep
from flows.runtime.worker.jobs import Jobs, worker_name

POOL_TYPE = "credit-desk"
POLL_SECONDS = 5.0
HEARTBEAT_SECONDS = 10.0
_STOP_SECONDS = 3.5
_HELD_SECONDS = 5.0
"""How long a run is left alone whose last worker is not given up yet."""

_OFFERED = [
    "prefect.flow-run.Scheduled",
    "prefect.flow-run.Resuming",
    "prefect.flow-run.AwaitingRetry",
]
_CANCELLING = "prefect.flow-run.Cancelling"

log = logging.getLogger(__name__)


class Worker:
    """Executes the runs of one deployment's pool until `stop` is set."""

    def __init__(self, desk: Desk, deployments: Sequence[Deployment]) -> None:
        """The first deployment's runs are executed here, those of other pools are jobs."""
        self._desk = desk
        self._deployments = tuple(deployments)
        self._deployment = deployment = self._deployments[0]
        pools = {one.pool for one in deployments} - {deployment.pool}
        self._pools = (deployment.pool, *sorted(pools))
        self._jobs = Jobs(self._pools[1:], desk.owner, desk.settings.max_active_jobs)
        self._flow: Flow[..., Any] = deployment.load()
        self._deployment_id: UUID | None = None
        self._active: dict[str, asyncio.Task[None]] = {}
        self._executions: dict[str, Execution] = {}
        self._look = asyncio.Event()
        self._alone = ""
        """The run that is executed by itself, while it is."""
        self._unattended: set[str] = set()
        """Runs whose lease we had and that we did not execute, when we last looked."""
        self._turn = sweep.Turn()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Work until told to stop; then hand back what is under way and return."""
        async with get_client() as client:
            self._deployment_id = await _until_answered(lambda: self._register(client), stop)
            await self._sweep(client)
            duties = [
                self._listen(),
                self._poll(client),
                self._every(POLL_SECONDS, lambda: self._jobs.recover(client)),
                self._every(HEARTBEAT_SECONDS, lambda: self._greet(client)),
                self._every(self._desk.settings.lease_seconds / 3, self._keep_leases),
                self._every(
                    self._desk.settings.lease_seconds / 3, lambda: self._ask_prefect(client)
                ),
                self._every(POLL_SECONDS, lambda: self._sweep(client)),
            ]
            tasks = [asyncio.create_task(duty) for duty in duties]
            await self._greet(client)
            on_ready()
            try:
                await stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.gather(self._hand_back(client), self._jobs.close(client))

    async def _register(self, client: PrefectClient) -> UUID:
        """Register all deployments; returns the id of the one whose runs are executed here."""
        first, *jobs = self._deployments
        for job in jobs:
            await register(client, job, POOL_TYPE)
        return await register(client, first, POOL_TYPE)

    # -- duties ----------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Be told of offers and cancellations. The first connect does not retry by itself."""
        names = EventNameFilter(name=[*_OFFERED, _CANCELLING])
        while True:
            try:
                async with get_events_subscriber(
                    filter=EventFilter(event=names), reconnection_attempts=0
                ) as events:
                    self._look.set()
                    async for event in events:
                        if event.event == _CANCELLING:
                            run_id = event.resource.id.removeprefix("prefect.flow-run.")
                            self._jobs.cancel(run_id)
                            await self._cancelled_in_prefect(run_id)
                        else:
                            self._look.set()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.info("the event stream ended (%s); subscribing again", type(error).__name__)
            await asyncio.sleep(0.5)

    async def _poll(self, client: PrefectClient) -> None:
        """Ask for work when told to, and every few seconds."""
        hurry_until = 0.0
        while True:
            # An event may come before the commit it tells of: look a few times in a row.
            patience = 0.03 if time.monotonic() < hurry_until else POLL_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), patience)
            if self._look.is_set():
                self._look.clear()
                hurry_until = time.monotonic() + 0.1
            try:
                if await self._take_offers(client) + await self._jobs.take_offers(client):
                    hurry_until = 0.0
            except (httpx.TransportError, PrefectHTTPStatusError) as error:
                log.warning("the Prefect server did not answer: %s", type(error).__name__)
                await asyncio.sleep(0.5)
            except CreditDeskError as error:
                log.warning("no run was taken: %s", error)
                await asyncio.sleep(0.5)
            except Exception:
                log.exception("no run was taken; the next look comes")
                await asyncio.sleep(0.5)

    async def _greet(self, client: PrefectClient) -> None:
        """Keep the pools green in the UI."""
        with suppress(httpx.TransportError, PrefectHTTPStatusError):
            for pool in self._pools:
                await client.send_worker_heartbeat(
                    pool, worker_name(self._desk.owner), HEARTBEAT_SECONDS
                )

    async def _keep_leases(self) -> None:
        """Renew what we hold; stop executing what we have lost, or what somebody asked to stop."""
        ours = dict(self._executions)  # what is taken meanwhile cannot be lost
        held = await self._desk.ledger.write(
            runs.renew, self._desk.owner, self._desk.settings.lease_seconds
        )
        for run_id, one in ours.items():
            # One that has come to its end meanwhile has given its lease back itself.
            if run_id not in held and self._executions.get(run_id) is one:
                log.warning("lost the lease of run %s", run_id)
                self._active[run_id].cancel()
        for run in await self._desk.ledger.read(runs.to_be_stopped):
            self._stop(run.run_id)
        # Held and not executed, twice in a row: it could not be given back when it was put off.
        unattended = held - self._active.keys()
        for run_id in unattended & self._unattended:
            put_back = retries.put_back
            journal.publish(await self._desk.ledger.write(put_back, run_id, self._desk.owner))
        self._unattended = unattended

    async def _ask_prefect(self, client: PrefectClient) -> None:
        """Look for cancellations whose event was lost. (Prefect may be slow; leases never wait.)"""
        stopped = (StateType.CANCELLING, StateType.CANCELLED)
        with suppress(httpx.TransportError, PrefectHTTPStatusError):
            for flow_run in await states.in_states(client, list(self._active), *stopped):
                await self._cancelled_in_prefect(str(flow_run.id))

    async def _sweep(self, client: PrefectClient) -> None:
        assert self._deployment_id is not None
        ledger, instance = self._desk.ledger, self._desk.instance
        await sweep.sweep(client, ledger, self._deployment_id, instance, self._turn)

    async def _every(self, seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await duty()
            except CreditDeskError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("a duty of the worker failed; it is tried again")

    # -- runs ------------------------------------------------------------------------------

    async def _take_offers(self, client: PrefectClient) -> int:
        """Take as many due runs as there is room for; how many were taken."""
        room = self._desk.settings.max_active_runs - len(self._active)
        if room <= 0 or self._alone in self._active:
            return 0
        offered = await scheduled.due(client, self._pools[:1], room)
        known = await self._desk.ledger.read(
            runs.find_all, [str(flow_run.id) for flow_run in offered]
        )
        taken = 0
        for flow_run in offered:
            run_id = str(flow_run.id)
            row = known.get(run_id)
            if run_id in self._active:
                continue
            if row is not None and row.is_alone and self._active:
                break  # workers have died of it: let the others end first, and take no more
            if await self._take(client, flow_run, row):
                taken += 1
            if row is not None and row.is_alone:
                self._alone = run_id
                break
        return taken

    async def _take(self, client: PrefectClient, flow_run: FlowRun, row: Run | None) -> bool:
        run_id = str(flow_run.id)
        if row is not None and row.status.has_ended:
            await states.close_children(client, run_id)
            await client.set_flow_run_state(flow_run.id, states.state_of(row.status), force=True)
            return False
        accepted = await scheduled.take(client, flow_run)
        if accepted is None:
            return False
        try:
            epoch = await self._desk.ledger.write(self._enter, flow_run, run_id)
        except (RecordNotFoundError, ConflictError) as error:
            log.warning("run %s is refused: %s", run_id, error)
            refused = Cancelled if isinstance(error, ConflictError) else Failed
            await states.end(client, run_id, refused(message=error.message))
            return False
        if epoch is None:
            await self._leave_alone(client, run_id)
            return False
        # The engine would watch a deployment's run for suspensions from outside with a thread
        # and a websocket of its own, and block the loop while they come up. We watch for all.
        quiet = flow_run.model_copy(update={"deployment_id": None, "state": accepted})
        self._executions[run_id] = ours = Execution(run_id, epoch)
        context = copy_context()
        context.run(execution.set, ours)
        task = asyncio.create_task(self._execute(quiet, ours), context=context, name=run_id)
        self._active[run_id] = task
        task.add_done_callback(lambda _: self._finished(run_id))
        return True

    def _enter(self, connection: Any, flow_run: FlowRun, run_id: str) -> int | None:
        """Take the lease; a run that its maker has not entered yet is entered first."""
        run_requests.take_up(
            connection,
            run_id,
            application_id=str(flow_run.parameters.get("application_id", "")),
            fork=str(flow_run.parameters.get("fork") or ""),
            traceparent=str(flow_run.labels.get("desk.traceparent", "")),
        )
        settings = self._desk.settings
        return runs.claim(connection, run_id, self._desk.owner, settings.lease_seconds)

    async def _leave_alone(self, client: PrefectClient, run_id: str) -> None:
        """Take no run that has ended or shall stop; one that another worker holds comes later."""
        run = await self._desk.ledger.read(runs.find, run_id)
        if run.status.has_ended or run.cancel_requested:
            await cancel.deliver_one(client, self._desk.ledger, run_id)
        else:
            later = datetime.now(UTC) + timedelta(seconds=_HELD_SECONDS)
            await states.reschedule(client, run_id, not_before=later)

    async def _execute(self, flow_run: FlowRun, ours: Execution) -> None:
        """Execute a run to its end, its next gate, or its cancellation."""
        run_id = ours.run_id
        ended: State[Any] | None = None
        try:
            left: Any = await run_flow_async(
                self._flow,
                flow_run=flow_run,
                parameters=flow_run.parameters,
                return_type="state",
            )
            ended = left
        except Pause:
            log.info("run %s waits", run_id)
        except asyncio.CancelledError:
            log.info("run %s was stopped", run_id)
        except (Exception, Abort):
            log.exception("run %s ended in an error of the engine", run_id)
        finally:
            self._executions.pop(run_id, None)  # from here on there is nothing to stop
            await asyncio.shield(self._give_back(ours, ended))

    async def _give_back(self, ours: Execution, ended: State[Any] | None) -> None:
        """Give the lease back, with the end of a run that could not write its own."""

        def give_back(connection: Any) -> tuple[list[Event], Run]:
            written: list[Event] = []
            if ended is not None and ended.is_cancelling():  # stopped before the flow had begun
                with suppress(ConflictError):
                    written += cancel.request(connection, ours.run_id, cancel.PREFECT)
            if ended is not None and ended.is_failed():
                written += retries.leave(
                    connection, ours.run_id, ours.epoch, is_false_start=ours.is_false_start
                )
            written += cancel.give_back(connection, ours.run_id, ours.epoch)
            return written, runs.find(connection, ours.run_id)

        try:
            written, run = await self._desk.ledger.write(give_back)
            journal.publish(written)
            await states.tidy_up(run, ours.epoch, ended)
        except CreditDeskError as error:
            log.warning("run %s cannot be given back yet: %s", ours.run_id, error)
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            log.warning("run %s: the Prefect server did not answer: %s", ours.run_id, error)

    def _finished(self, run_id: str) -> None:
        self._active.pop(run_id, None)
        self._look.set()

    async def _cancelled_in_prefect(self, run_id: str) -> None:
        """Note the wish before anything is stopped: whoever dies now has it from the ledger."""
        request = cancel.request
        with suppress(ConflictError, RecordNotFoundError):  # it has ended; it is none of the desk's
            journal.publish(await self._desk.ledger.write(request, run_id, cancel.PREFECT))
            self._stop(run_id)

    def _stop(self, run_id: str) -> None:
        ours = self._executions.get(run_id)
        if ours is not None and not ours.stop.is_set():
            ours.stop.set()
            self._active[run_id].cancel()

    async def _hand_back(self, client: PrefectClient) -> None:
        """Stop what is under way, without an end: another execution goes on from there."""
        under_way = dict(self._active)
        for task in under_way.values():
            task.cancel()
        await asyncio.gather(*under_way.values(), return_exceptions=True)
        for run_id in under_way:
            with suppress(httpx.TransportError, PrefectHTTPStatusError):
                await states.reschedule(client, run_id)


async def _until_answered(call: Callable[[], Awaitable[UUID]], stop: asyncio.Event) -> UUID:
    """Try until the Prefect server is there: the roles of a desk may start in any order."""
    while True:
        try:
            return await call()
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            log.info("waiting for the Prefect server (%s)", type(error).__name__)
            if stop.is_set():
                raise
            await asyncio.sleep(0.5)


def serve_worker(settings: Settings) -> NoReturn:
    """Run a worker in this process until SIGTERM or SIGINT; ends it within five seconds of that.

    The event loop has a thread of its own. Prefect's engine handles SIGTERM for the one run it
    believes a process to have, by raising in the main thread; ours has many, and only waits there.
    """
    parent_pipe.attach()
    telemetry.setup("worker", settings)
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    failures: list[BaseException] = []

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(
            target=lambda: (told.wait(), loop.call_soon_threadsafe(stop.set)), daemon=True
        ).start()
        desk = await asyncio.to_thread(this_desk)
        await Worker(desk, declared(settings.prefect_yaml)).run(stop, parent_pipe.ready)

    def loop() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            log.exception("the worker ended in an error")
            failures.append(error)
        told.set()

    thread = threading.Thread(target=loop, name="worker", daemon=True)
    thread.start()
    while not told.wait(timeout=1.0):
        pass
    thread.join(timeout=_STOP_SECONDS)
    telemetry.flush()
    parent_pipe.leave(1 if failures else 0)
