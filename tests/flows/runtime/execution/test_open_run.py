"""Opening a run outside our own worker, and being stopped on the way to sleep."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.states import AwaitingRetry, Cancelled, Cancelling, Failed, Suspended

from data.contracts.base import canonical_json
from data.contracts.errors import (
    ConflictError,
    CreditDeskError,
    LeaseLostError,
    RecordNotFoundError,
    StopRequestedError,
    UnavailableError,
    WorkflowError,
)
from data.contracts.review import Person
from data.contracts.runs import RunOptions, RunStatus
from data.settings import FanOutPolicy, settings
from flows.runtime.execution import flow_run, open_run, surroundings
from flows.runtime.execution.desk import Desk
from flows.runtime.execution.executor import InlineExecutor
from flows.runtime.execution.gate_form import GateForm
from flows.runtime.ledger import cancellations, decisions, run_requests, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import RunRequest
from tests.flows.runtime.entries import RUN, a_claimed_run, a_run
from tests.flows.runtime.vacation_workflow import LEAVE, Handbook, Leave, LeaveRequest, decide


@pytest.fixture
def stock(ledger: Ledger) -> Desk:
    """The desk of a process that a stock Prefect worker has started."""
    return Desk(settings(), ledger, "host:1:stock:")


async def test_a_lease_that_the_run_took_itself_is_given_back_when_it_leaves(
    ledger: Ledger, stock: Desk
) -> None:
    await a_run(ledger)
    run = await ledger.read(runs.find, RUN)

    async with AsyncExitStack() as on_leaving:
        await open_run._take_lease(stock, run, on_leaving)
        held = await ledger.read(runs.find, RUN)
    left = await ledger.read(runs.find, RUN)

    assert (held.lease_owner, held.status) == (stock.owner, RunStatus.RUNNING)
    assert (left.lease_owner, left.status) == (None, RunStatus.QUEUED)


async def test_a_run_that_was_asked_to_stop_meanwhile_ends_when_its_lease_is_given_back(
    ledger: Ledger, stock: Desk
) -> None:
    await a_run(ledger)
    run = await ledger.read(runs.find, RUN)

    async with AsyncExitStack() as on_leaving:
        await open_run._take_lease(stock, run, on_leaving)
        await ledger.write(cancellations.request, RUN, "olga")

    assert (await ledger.read(runs.find, RUN)).status is RunStatus.CANCELLED


async def test_a_stock_worker_takes_no_run_from_another(ledger: Ledger, stock: Desk) -> None:
    await a_claimed_run(ledger)
    run = await ledger.read(runs.find, RUN)

    with pytest.raises(LeaseLostError):
        async with AsyncExitStack() as on_leaving:
            await open_run._take_lease(stock, run, on_leaving)

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

    monkeypatch.setattr(flow_run, "current_flow_run", lambda: SimpleNamespace(id=uuid4()))
    monkeypatch.setattr(flow_run, "prefect_client", no_client)
    monkeypatch.setattr(flow_run, "propose_state", answered)

    with pytest.raises(raised):
        await flow_run.suspend("look-1-1", Form)


@pytest.mark.parametrize(
    ("error", "is_startup_failure"),
    [
        (UnavailableError("the ledger did not answer"), False),
        (WorkflowError("no such thing"), True),
    ],
    ids=["an outage", "a mistake"],
)
async def test_a_run_that_cannot_be_opened_in_an_outage_is_no_startup_failure(
    error: CreditDeskError, is_startup_failure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opening(*_: Any) -> None:
        raise error

    monkeypatch.setattr(open_run, "_open_orchestrated", opening)
    ours = surroundings.Execution(RUN, "flow-1", 1)
    token = surroundings.execution.set(ours)
    try:
        with pytest.raises(type(error)):
            async with open_run.open_run(LEAVE, Leave(), "leave-1", pin=Handbook()):
                pass
    finally:
        surroundings.execution.reset(token)

    assert ours.is_startup_failure is is_startup_failure


# -- which run a flow run carries out --------------------------------------------------------------


async def taken_through(run_id: str) -> surroundings.OpenRun[Handbook]:
    """Execute a run as the root flow does, with the id that Prefect's parameters give."""
    rules, leave = Handbook(), Leave()
    async with open_run.open_run(LEAVE, leave, "leave-1", pin=rules, run_id=run_id) as opened:
        await decide(LeaveRequest.model_validate_json(opened.filed.body))
    return opened


@pytest.fixture
def in_flow_run(stock: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """A stock Prefect worker executes this flow run."""
    flow_run_id = uuid4()
    monkeypatch.setattr(open_run, "this_desk", lambda: stock)
    monkeypatch.setattr(open_run, "OrchestratedExecutor", lambda *_, **__: InlineExecutor())
    monkeypatch.setattr(open_run, "current_flow_run", lambda: SimpleNamespace(id=flow_run_id))
    return str(flow_run_id)


INA = Person(name="Ina")


async def submitted(ledger: Ledger, application_id: str = "leave-1") -> str:
    request = RunRequest(submitted_by=INA, options=RunOptions(fan_out_policy=FanOutPolicy.QUORUM))
    body = canonical_json(LeaveRequest(days=3))
    run, _ = await ledger.write(run_requests.submit, application_id, "a" * 64, body, request)
    return run.run_id


async def test_a_flow_run_opens_the_run_that_it_was_made_for_and_is_mapped_to_it(
    ledger: Ledger, in_flow_run: str
) -> None:
    run_id = await submitted(ledger)

    opened = await taken_through(run_id)

    run = await ledger.read(runs.find, run_id)
    assert (opened.context.run_id, run.flow_run_id) == (run_id, in_flow_run)
    assert opened.options.fan_out_policy is FanOutPolicy.QUORUM
    assert opened.submitted_by == (INA,)
    assert (run.status, run.lease_owner, run.lease_epoch) == (RunStatus.COMPLETED, None, 1)
    assert (await ledger.read(decisions.find, run_id))["content"] == {"granted": True}


async def test_a_mapped_flow_run_opens_its_run_whatever_id_it_is_given(
    ledger: Ledger, in_flow_run: str
) -> None:
    run_id, other = await submitted(ledger), await submitted(ledger, "leave-2")
    await ledger.write(runs.map_to_flow_run, run_id, in_flow_run, seen="")

    opened = await taken_through(other)

    assert opened.context.run_id == run_id
    assert (await ledger.read(runs.find, run_id)).status is RunStatus.COMPLETED
    assert (await ledger.read(runs.find, other)).flow_run_id == ""


@pytest.mark.usefixtures("in_flow_run")
async def test_a_flow_run_that_no_run_asked_for_opens_none(ledger: Ledger) -> None:
    run_id = await submitted(ledger)

    with pytest.raises(RecordNotFoundError, match="no run of the desk asked for"):
        await taken_through("no-such-run")

    assert (await ledger.read(runs.find, run_id)).flow_run_id == ""


@pytest.mark.usefixtures("in_flow_run")
async def test_a_run_that_another_flow_run_carries_out_is_not_opened(ledger: Ledger) -> None:
    run_id = await submitted(ledger)
    await ledger.write(runs.map_to_flow_run, run_id, "flow-1", seen="")

    with pytest.raises(ConflictError, match="carried out by another flow run"):
        await taken_through(run_id)

    run = await ledger.read(runs.find, run_id)
    assert (run.flow_run_id, run.lease_epoch) == ("flow-1", 0)
