"""Scheduled jobs: runs of the second pool, each in a child process of the worker.

A job may take minutes and all of a processor, so it never shares the loop on which people's runs
are executed. A job has no row in the ledger. Which worker executes it is in Prefect (the run's
`infrastructure_pid` is the worker's lease owner), so that a job without its worker is offered
again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from data.contracts.errors import UnavailableError
from data.contracts.runs import RunStatus
from flows.runtime.host.parent_pipe import PARENT_PIPE_FD
from flows.runtime.host.process_ids import has_died_here
from flows.runtime.prefect_api import deployments, scheduled, states
from flows.runtime.prefect_api.client import FlowRun, PrefectClient
from flows.runtime.worker.job_process import DEPLOYMENT, FLOW_RUN_ID

CHILD = (sys.executable, "-P", "-m", "flows.runtime.worker.job_process")
MAX_STARTS = 5
"""A job that was started so often and never came to an end is not started again."""
SILENT_AFTER = timedelta(seconds=deployments.SILENT_SECONDS)
"""A worker that sent no heartbeat for so long has left its jobs behind."""
_GRACE_SECONDS = 2.0
_MAX_LOOKED_AT = 50

log = logging.getLogger(__name__)


class Jobs:
    """Executes the runs of the pools for jobs, `most` at a time. Close it to end them."""

    def __init__(
        self, pools: Sequence[str], owner: str, most: int, argv: Sequence[str] = CHILD
    ) -> None:
        self.registered: dict[UUID, str] = {}
        """The jobs that `prefect.yaml` declares, by the id of their deployment: no other runs."""
        self._pools = tuple(pools)
        self._owner = owner
        self._most = most
        self._argv = tuple(argv)
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._closing = False
        self._parent_pipe: tuple[int, int] = os.pipe()

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
        """Offer the jobs again whose worker is gone, and end those that are to be cancelled."""
        if not self._pools:
            return
        try:
            for flow_run in await scheduled.under_way(client, self._pools, _MAX_LOOKED_AT):
                await self._look_after(client, flow_run)
        except UnavailableError as error:
            log.info("jobs were not looked after: %s", error)

    async def _look_after(self, client: PrefectClient, flow_run: FlowRun) -> None:
        run_id, state = str(flow_run.id), flow_run.state
        if state is None:
            return
        if run_id in self._keepers:
            if state.is_cancelling():
                self.cancel(run_id)
        elif not await self._has_worker(client, flow_run):
            owner = flow_run.infrastructure_pid or "an unknown worker"
            log.warning("job %s was left behind by %s", run_id, owner)
            await self._put_back(client, flow_run)

    async def _has_worker(self, client: PrefectClient, flow_run: FlowRun) -> bool:
        """Whether the worker that took a job is there, as far as can be told by now."""
        owner = flow_run.infrastructure_pid or ""
        is_owner = owner.count(":") == self._owner.count(":")
        if is_owner and has_died_here(owner):
            return False
        if not owner and flow_run.state is not None:  # taken, and not marked with its owner yet
            return datetime.now(UTC) - flow_run.state.timestamp < SILENT_AFTER
        return worker_name(owner) in await deployments.workers_heard_of(client, self._pools)

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
            with suppress(UnavailableError):
                await self._offer_again(client, run_id)
        for fd in self._parent_pipe:
            os.close(fd)

    # -- one job -----------------------------------------------------------------------------

    async def _take(self, client: PrefectClient, flow_run: FlowRun) -> bool:
        run_id = str(flow_run.id)
        if run_id in self._keepers or not await scheduled.claim(client, flow_run):
            return False
        name = self.registered.get(flow_run.deployment_id) if flow_run.deployment_id else None
        if name is None:
            log.warning("job %s is refused: prefect.yaml does not declare its deployment", run_id)
            told = "Refused: the desk's prefect.yaml does not declare this deployment"
            await states.end(client, run_id, RunStatus.FAILED, told)
            return False
        await states.mark_owner(client, run_id, self._owner)
        if self._closing:  # the worker began to end while Prefect answered
            await states.offer_again(client, run_id)
            return False
        self._children[run_id] = await self._spawn(run_id, name)
        keeper = asyncio.create_task(self._keep(client, flow_run), name=f"job-{run_id}")
        self._keepers[run_id] = keeper
        keeper.add_done_callback(lambda _: self._forget(run_id))
        return True

    async def _spawn(self, run_id: str, name: str) -> asyncio.subprocess.Process:
        pipe_fd = self._parent_pipe[0]
        return await asyncio.create_subprocess_exec(
            *self._argv,
            env={
                **os.environ,
                FLOW_RUN_ID: run_id,
                DEPLOYMENT: name,
                PARENT_PIPE_FD: str(pipe_fd),
            },
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(pipe_fd,),
        )

    async def _keep(self, client: PrefectClient, flow_run: FlowRun) -> None:
        """Wait for the end of a child, and write what it could not write itself."""
        run_id = str(flow_run.id)
        code = await self._children[run_id].wait()
        if self._closing:
            return
        try:
            if run_id in self._cancelled:
                await states.end(client, run_id, RunStatus.CANCELLED)
                return
            seen = await states.flow_run(client, run_id)
            if seen is not None and seen.state is not None and not seen.state.is_final():
                told = f"The job's process ended with code {code}"
                await states.end_as_crashed(client, run_id, told)
        except UnavailableError as error:
            log.warning("job %s ended, and Prefect was not told: %s", run_id, error)

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
        flow_run = await states.flow_run(client, run_id)
        if flow_run is None:
            return
        state = flow_run.state
        if run_id in self._cancelled:
            await states.end(client, run_id, RunStatus.CANCELLED)
        elif state is None or state.is_crashed() or not state.is_final():
            await self._put_back(client, flow_run)

    async def _put_back(self, client: PrefectClient, flow_run: FlowRun) -> None:
        """What becomes of a job that has no worker any more."""
        run_id = str(flow_run.id)
        if flow_run.state is not None and flow_run.state.is_cancelling():
            await states.end(client, run_id, RunStatus.CANCELLED)
        elif flow_run.run_count >= MAX_STARTS:
            told = f"Given up after {flow_run.run_count} starts"
            await states.end_as_crashed(client, run_id, told)
        else:
            await states.offer_again(client, run_id)


def worker_name(owner: str) -> str:
    """What a worker is called in Prefect, by the owner that its leases name."""
    return f"worker-{owner}".replace(":", "-")


def _kill(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
