"""Scheduled jobs: runs of the second pool, each in a child process of the worker.

They may take minutes and all of a processor, and so never share the loop that executes runs
people wait for. A job has no row in the ledger. Who executes it is in Prefect (the run's
`infrastructure_pid` is our lease owner), so that a job whose worker is gone is offered again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import AwaitingRetry, Cancelled, Crashed

from flows.runtime.host.parent_pipe import LIFELINE_FD
from flows.runtime.prefect_api import scheduled
from flows.runtime.worker.job_process import FLOW_RUN_ID
from flows.runtime.worker.lost_workers import died_here

CHILD = (sys.executable, "-P", "-m", "flows.runtime.worker.job_process")
MOST_STARTS = 5
"""A job that was started so often and never came to an end is not started again."""
SILENT_AFTER = timedelta(seconds=30)
"""A worker that sent no heartbeat for so long has left its jobs behind."""
_GRACE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Jobs:
    """Executes the runs of the pools for jobs, `most` at a time. Close it to end them."""

    def __init__(
        self, pools: Sequence[str], owner: str, most: int, argv: Sequence[str] = CHILD
    ) -> None:
        self._pools = tuple(pools)
        self._owner = owner
        self._most = most
        self._argv = tuple(argv)
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._closing = False
        self._lifeline: tuple[int, int] = os.pipe()

    async def take_offers(self, client: PrefectClient) -> int:
        """Start as many due jobs as there is room for; how many were started."""
        room = self._most - len(self._keepers)
        if not self._pools or room <= 0 or self._closing:
            return 0
        started = 0
        for flow_run in await scheduled.due(client, self._pools, room):
            started += await self._take(client, flow_run)
        return started

    async def recover(self, client: PrefectClient) -> None:
        """Offer again what a worker left behind that is gone, and end what was to be cancelled."""
        if not self._pools:
            return
        try:
            await self._recover(client)
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            log.info("jobs were not looked after: %s", type(error).__name__)

    async def _recover(self, client: PrefectClient) -> None:
        alive: set[str] | None = None
        begun = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
        for flow_run in await scheduled.in_states(client, self._pools, begun, 50):
            run_id = str(flow_run.id)
            state = flow_run.state
            if state is None or run_id in self._keepers:
                if state is not None and state.is_cancelling():
                    self.cancel(run_id)
                continue
            alive = alive if alive is not None else await self._workers(client)
            owner = flow_run.infrastructure_pid or ""
            young = datetime.now(UTC) - state.timestamp < SILENT_AFTER
            is_ours = owner.count(":") == self._owner.count(":")
            gone = is_ours and died_here(owner)
            if not gone and (worker_name(owner) in alive or (not owner and young)):
                continue
            log.warning("job %s was left behind by %s", run_id, owner or "nobody")
            end = Cancelled() if state.is_cancelling() else self._next_state(flow_run)
            await client.set_flow_run_state(flow_run.id, end, force=True)

    def cancel(self, run_id: str) -> None:
        """End a job for good; one that is not ours is none of our business."""
        if run_id in self._keepers and run_id not in self._cancelled:
            self._cancelled.add(run_id)
            self._terminate(run_id)

    async def close(self, client: PrefectClient) -> None:
        """End all jobs and hand them back: another worker, or the next start, goes on."""
        self._closing = True
        handed_back = list(self._keepers)
        for run_id in handed_back:
            self._terminate(run_id)
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for run_id in handed_back:
            with suppress(httpx.TransportError, PrefectHTTPStatusError):
                await self._offer_again(client, run_id)
        for fd in self._lifeline:
            os.close(fd)

    # -- one job -----------------------------------------------------------------------------

    async def _take(self, client: PrefectClient, flow_run: FlowRun) -> bool:
        run_id = str(flow_run.id)
        if run_id in self._keepers or not await scheduled.take(client, flow_run):
            return False
        await client.update_flow_run(flow_run.id, infrastructure_pid=self._owner)
        if self._closing:
            await client.set_flow_run_state(flow_run.id, AwaitingRetry(), force=True)
            return False
        self._children[run_id] = await self._spawn(run_id)
        keeper = asyncio.create_task(self._keep(client, flow_run), name=f"job-{run_id}")
        self._keepers[run_id] = keeper
        keeper.add_done_callback(lambda _: self._forget(run_id))
        return True

    async def _spawn(self, run_id: str) -> asyncio.subprocess.Process:
        lifeline_fd = self._lifeline[0]
        return await asyncio.create_subprocess_exec(
            *self._argv,
            env={**os.environ, FLOW_RUN_ID: run_id, LIFELINE_FD: str(lifeline_fd)},
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(lifeline_fd,),
        )

    async def _keep(self, client: PrefectClient, flow_run: FlowRun) -> None:
        """Wait for the end of a child, and write what it could not write itself."""
        run_id = str(flow_run.id)
        code = await self._children[run_id].wait()
        if self._closing:
            return
        try:
            if run_id in self._cancelled:
                stopped: State[Any] = Cancelled(message="Stopped on request")
                await client.set_flow_run_state(flow_run.id, stopped, force=True)
                return
            seen = await client.read_flow_run(flow_run.id)
            if seen.state is not None and not seen.state.is_final():
                crashed: State[Any] = Crashed(message=f"The job's process ended with code {code}")
                await client.set_flow_run_state(flow_run.id, crashed, force=True)
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            log.warning("job %s ended, and Prefect was not told: %s", run_id, type(error).__name__)

    def _forget(self, run_id: str) -> None:
        self._keepers.pop(run_id, None)
        self._children.pop(run_id, None)
        self._cancelled.discard(run_id)

    def _terminate(self, run_id: str) -> None:
        """SIGTERM now, SIGKILL soon: Prefect would otherwise finish its own way of crashing."""
        child = self._children[run_id]
        with suppress(ProcessLookupError):
            child.terminate()
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, _kill, child)

    async def _offer_again(self, client: PrefectClient, run_id: str) -> None:
        flow_run = await client.read_flow_run(UUID(run_id))
        state = flow_run.state
        if run_id in self._cancelled or (state is not None and state.is_cancelling()):
            await client.set_flow_run_state(flow_run.id, Cancelled(), force=True)
        elif state is None or state.is_crashed() or not state.is_final():
            await client.set_flow_run_state(flow_run.id, self._next_state(flow_run), force=True)

    def _next_state(self, flow_run: FlowRun) -> State[Any]:
        if flow_run.run_count >= MOST_STARTS:
            return Crashed(message=f"Given up after {flow_run.run_count} starts")
        return AwaitingRetry()

    # -- looking -------------------------------------------------------------------------------

    async def _workers(self, client: PrefectClient) -> set[str]:
        """The names of the workers that were heard of lately."""
        heard: set[str] = set()
        since = datetime.now(UTC) - SILENT_AFTER
        for pool in self._pools:
            heard |= {
                worker.name
                for worker in await client.read_workers_for_work_pool(pool)
                if worker.last_heartbeat_time and worker.last_heartbeat_time > since
            }
        return heard


def worker_name(owner: str) -> str:
    """What a worker is called in Prefect, by the owner that its leases name."""
    return f"worker-{owner}".replace(":", "-")


def _kill(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
