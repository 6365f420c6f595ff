"""The worker: whose lease is lost, and who has only given it back."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from data.settings import Settings
from flows.runtime.execution.desk import Desk
from flows.runtime.execution.open_run import Execution
from flows.runtime.ledger import leases
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api.deployments import Deployment
from flows.runtime.worker.worker import Worker
from tests.flows.runtime.entries import RUN, a_claimed_run

OWNER = "host:2:worker:now"


@pytest.fixture
def worker(ledger: Ledger) -> Worker:
    deployment = cast(Deployment, SimpleNamespace(pool="desk", load=lambda: None))
    return Worker(Desk(Settings(), ledger, OWNER), [deployment])


def busy(worker: Worker) -> asyncio.Task[None]:
    """A task of a run that the worker had taken and does not hold any more."""

    async def work() -> None:
        await asyncio.sleep(60)

    task = worker._active[RUN] = asyncio.create_task(work())
    worker._executions[RUN] = Execution(RUN, 1)
    return task


async def test_an_execution_that_has_lost_its_lease_is_stopped(
    worker: Worker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    await a_claimed_run(ledger)
    task = busy(worker)

    await worker._keep_leases()

    await asyncio.wait([task])
    assert task.cancelled()
    assert "lost the lease" in caplog.text


async def test_an_execution_that_has_given_its_lease_back_may_tidy_up(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    task = busy(worker)
    del worker._executions[RUN]

    await worker._keep_leases()

    await asyncio.sleep(0)
    assert not task.cancelling()
    assert "lost the lease" not in caplog.text
    task.cancel()


async def test_an_execution_that_ends_while_leases_are_renewed_has_lost_nothing(
    worker: Worker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = busy(worker)

    def renew(*_: object) -> set[str]:
        worker._executions.clear()
        return set()

    monkeypatch.setattr(leases, "renew_leases", renew)
    await worker._keep_leases()

    assert not task.cancelling()
    assert "lost the lease" not in caplog.text
    task.cancel()
