"""Waking runs: an answer reaches the run that sleeps at its request, and no later one."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Running, Scheduled, Suspended

from data.contracts.review import Answerer, Channel, Review, ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import wake
from flows.runtime.prefect_api.launch import relaunch_unknown
from tests.flows.runtime.entries import an_idle_run, flow_run_of
from tests.flows.runtime.prefect_server import PrefectServer


def asleep(key: str, **form: str) -> State[Any]:
    """A suspension; with a form when it is one of the desk's."""
    state: State[Any] = Suspended(pause_key=key)
    state.state_details.run_input_keyset = form or None
    return state


async def answered(ledger: Ledger) -> Review:
    """The first request of a run at its gate, with an answer that it has not heard of."""
    run_id = await an_idle_run(ledger, RunStatus.WAITING)
    asked = ReviewRequest(role=Role.UNDERWRITER, title="Look", summary="at this")
    review = await ledger.write(reviews.ask, run_id, "second_look", 1, asked)
    fields = {"decision": "fine", "reviewer": "una", "reason": "because"}
    by = Answerer(reviewer="una", roles=(Role.UNDERWRITER,), channel=Channel.CLI)
    await ledger.write(reviews.answer, review, fields, by)
    found = await ledger.read(reviews.latest, run_id, "second_look")
    assert found is not None
    return found


async def test_an_answer_wakes_the_run_that_sleeps_at_its_request(ledger: Ledger) -> None:
    review = await answered(ledger)
    flow_run_id = flow_run_of(review.run_id)
    server = PrefectServer({flow_run_id: asleep("second-look-1-3", schema="form")})

    await wake.deliver_answers(server.client, ledger)

    assert server.told[flow_run_id]["decision"] == "fine"
    assert server.told[flow_run_id]["reason"] == wake.KEPT_HERE
    assert await ledger.read(reviews.undelivered) == []


@pytest.mark.parametrize("key", ["second-look-2-3", "second-look-10-3", "third-look-1-3"])
async def test_an_answer_is_not_typed_into_a_later_request(ledger: Ledger, key: str) -> None:
    review = await answered(ledger)
    state = asleep(key, schema="form")
    server = PrefectServer({flow_run_of(review.run_id): state})

    await wake.deliver_answers(server.client, ledger)

    assert server.told == {}
    assert server.states[flow_run_of(review.run_id)] is state
    assert await ledger.read(reviews.undelivered) == []


async def test_a_run_that_was_suspended_by_hand_is_woken_and_nothing_is_typed(
    ledger: Ledger,
) -> None:
    review = await answered(ledger)
    server = PrefectServer({flow_run_of(review.run_id): asleep("2f6b")})

    await wake.deliver_answers(server.client, ledger)

    assert server.told == {}
    assert server.states[flow_run_of(review.run_id)].name == AwaitingRetry().name


async def test_an_answer_waits_while_the_run_is_still_falling_asleep(ledger: Ledger) -> None:
    review = await answered(ledger)
    server = PrefectServer({flow_run_of(review.run_id): Running()})

    await wake.deliver_answers(server.client, ledger)

    assert await ledger.read(reviews.undelivered) == [review]


async def test_an_answer_for_a_run_that_prefect_lost_waits_for_the_next_flow_run(
    ledger: Ledger,
) -> None:
    review = await answered(ledger)
    server = PrefectServer()

    await wake.deliver_answers(server.client, ledger)

    assert await ledger.read(reviews.undelivered) == [review]
    assert server.told == {}


async def test_an_answer_needs_no_delivery_once_the_relaunched_run_is_offered(
    ledger: Ledger,
) -> None:
    review = await answered(ledger)
    server, lost = PrefectServer(), await ledger.read(runs.find, review.run_id)
    await relaunch_unknown(server.client, ledger, uuid4(), [lost])

    await wake.deliver_answers(server.client, ledger)

    again = UUID((await ledger.read(runs.find, review.run_id)).flow_run_id)
    assert server.states[again].type == Scheduled().type
    assert server.told == {}
    assert await ledger.read(reviews.undelivered) == []


async def test_an_answer_for_a_run_that_has_ended_wakes_nothing(ledger: Ledger) -> None:
    review = await answered(ledger)
    state = asleep("second-look-1-3", schema="form")
    server = PrefectServer({flow_run_of(review.run_id): state})
    await ledger.write(journal.append, review.run_id, [], status=RunStatus.CANCELLED)

    await wake.deliver_answers(server.client, ledger)

    assert server.states[flow_run_of(review.run_id)] is state
    assert await ledger.read(reviews.undelivered) == []


async def test_an_answer_that_cannot_be_delivered_does_not_keep_the_others_waiting(
    ledger: Ledger,
) -> None:
    stuck, other = await answered(ledger), await answered(ledger)
    server = PrefectServer(
        {flow_run_of(review.run_id): asleep("2f6b") for review in (stuck, other)}
    )
    server.refuses = {flow_run_of(stuck.run_id)}

    await wake.deliver_answers(server.client, ledger)

    assert await ledger.read(reviews.undelivered) == [stuck]
    assert server.states[flow_run_of(other.run_id)].name == AwaitingRetry().name
