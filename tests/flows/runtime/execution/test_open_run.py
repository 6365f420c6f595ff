"""Opening a run outside our own worker, and being stopped on the way to sleep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Failed, Suspended

from data.contracts.errors import (
    CreditDeskError,
    LeaseLostError,
    StopRequestedError,
    UnavailableError,
    WorkflowError,
)
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.runtime.execution import flow_run, open_run
from flows.runtime.execution.desk import Desk
from flows.runtime.execution.gate_form import GateForm
from flows.runtime.ledger import cancellations, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_claimed_run, a_run
from tests.flows.runtime.vacation_workflow import LEAVE, Handbook, Leave


@pytest.fixture
def stock(ledger: Ledger) -> Desk:
    """The desk of a process that a stock Prefect worker has started."""
    return Desk(settings(), ledger, "host:1:stock:")


async def test_a_lease_that_the_run_took_itself_is_given_back_when_it_leaves(
    ledger: Ledger, stock: Desk
) -> None:
    await a_run(ledger)

    async with AsyncExitStack() as on_leaving:
        await open_run._take_lease(stock, RUN, on_leaving)
        held = await ledger.read(runs.find, RUN)
    left = await ledger.read(runs.find, RUN)

    assert (held.lease_owner, held.status) == (stock.owner, RunStatus.RUNNING)
    assert (left.lease_owner, left.status) == (None, RunStatus.QUEUED)


async def test_and_what_was_asked_to_stop_meanwhile_ends_with_that(
    ledger: Ledger, stock: Desk
) -> None:
    await a_run(ledger)

    async with AsyncExitStack() as on_leaving:
        await open_run._take_lease(stock, RUN, on_leaving)
        await ledger.write(cancellations.request, RUN, "olga")

    assert (await ledger.read(runs.find, RUN)).status is RunStatus.CANCELLED


async def test_a_stock_worker_takes_no_run_from_another(ledger: Ledger, stock: Desk) -> None:
    await a_claimed_run(ledger)

    with pytest.raises(LeaseLostError):
        async with AsyncExitStack() as on_leaving:
            await open_run._take_lease(stock, RUN, on_leaving)

    assert (await ledger.read(runs.find, RUN)).lease_owner == "host:1:worker:now"


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Suspended(), Pause),
        (Cancelling(), StopRequestedError),
        (Cancelled(), StopRequestedError),
        (AwaitingRetry(), Pause),
        (Failed(), WorkflowError),
    ],
    ids=["asleep", "cancelling", "cancelled", "woken at once", "refused"],
)
async def test_a_run_falls_asleep_is_stopped_or_says_why_neither(
    monkeypatch: pytest.MonkeyPatch, answer: State[Any], raised: type[BaseException]
) -> None:
    class Form(GateForm):
        @classmethod
        async def asave(cls, keyset: Any, flow_run_id: Any = None) -> None:
            """Prefect has a form now."""

    async def answered(*_: Any, **__: Any) -> State[Any]:
        return answer

    @asynccontextmanager
    async def no_client() -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(gatekeeper, "_flow_run_id", uuid4)
    monkeypatch.setattr(gatekeeper, "prefect_client", no_client)
    monkeypatch.setattr(gatekeeper, "propose_state", answered)

    with pytest.raises(raised):
        await flow_run.suspend("look-1-1", Form)


@pytest.mark.parametrize(
    ("error", "is_false_start"),
    [
        (UnavailableError("the ledger did not answer"), False),
        (WorkflowError("no such thing"), True),
    ],
    ids=["an outage", "a mistake"],
)
async def test_a_run_that_cannot_be_opened_in_an_outage_has_made_no_false_start(
    error: CreditDeskError, is_false_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opening(*_: Any) -> None:
        raise error

    monkeypatch.setattr(open_run, "_open_orchestrated", opening)
    ours = open_run.Execution(RUN, 1)
    token = open_run.execution.set(ours)
    try:
        with pytest.raises(type(error)):
            async with open_run.open_run(LEAVE, Leave(), "leave-1", pin=Handbook()):
                pass
    finally:
        open_run.execution.reset(token)

    assert ours.is_false_start is is_false_start
