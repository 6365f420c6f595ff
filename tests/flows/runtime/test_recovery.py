"""What was begun and not finished: what Prefect is told, and what it is not."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import (
    AwaitingRetry,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    Suspended,
)

from data.contracts.runs import RunStatus
from flows.runtime import recovery, runs
from flows.runtime.ledger import Ledger
from tests.flows.runtime.prefect_server import PrefectServer, stood

DEPLOYMENT = uuid4()


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.WAITING])
@pytest.mark.parametrize("state", [Pending(), Running(), Crashed(), Failed()])
async def test_an_idle_run_that_prefect_believes_under_way_or_ended_is_offered_again(
    ledger: Ledger, status: RunStatus, state: State[Any]
) -> None:
    run_id = str(uuid4())
    await ledger.write(
        runs.register, run_id, f"application:{run_id}", application_id=run_id, status=status
    )
    server = PrefectServer({UUID(run_id): stood(state)})

    await recovery.reconcile(server.client, ledger)

    assert server.states[UUID(run_id)].name == AwaitingRetry().name


@pytest.mark.parametrize("kind", ["asleep", "offered", "just taken"])
async def test_an_idle_run_that_sleeps_or_is_just_being_taken_is_left_alone(
    ledger: Ledger, kind: str
) -> None:
    state: State[Any] = {
        "asleep": stood(Suspended()),
        "offered": stood(AwaitingRetry()),
        "just taken": Pending(),
    }[kind]
    run_id = str(uuid4())
    await ledger.write(
        runs.register,
        run_id,
        f"application:{run_id}",
        application_id=run_id,
        status=RunStatus.WAITING,
    )
    server = PrefectServer({UUID(run_id): state})

    await recovery.reconcile(server.client, ledger)

    assert server.states[UUID(run_id)] is state


@pytest.mark.parametrize("state", [Pending(), Running(), Cancelling()])
async def test_what_has_ended_in_the_ledger_does_not_hang_in_prefect(
    ledger: Ledger, state: State[Any]
) -> None:
    run_id = str(uuid4())
    await ledger.write(
        runs.register,
        run_id,
        f"application:{run_id}",
        application_id=run_id,
        status=RunStatus.COMPLETED,
    )
    server = PrefectServer({UUID(run_id): stood(state)})

    await recovery.close_ended(server.client, ledger, DEPLOYMENT)

    assert server.states[UUID(run_id)].type == Completed().type
