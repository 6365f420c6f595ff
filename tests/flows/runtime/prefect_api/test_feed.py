"""What Prefect's event feed is told of a transaction."""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.events import Event, EventType
from flows.runtime.ledger import journal
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api import feed
from tests.flows.runtime.entries import RUN, a_claimed_run, draft


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Prefect's client was asked to send."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(feed, "emit_event", lambda **event: sent.append(event))
    return sent


async def written(ledger: Ledger, *types: EventType, run_id: str = RUN) -> list[Event]:
    """The events of one transaction."""
    await a_claimed_run(ledger, run_id)
    drafts = [draft(f"{number}", type=kind) for number, kind in enumerate(types)]
    events: list[Event] = await ledger.write(journal.append, run_id, drafts)
    return events


async def test_of_the_steps_that_one_transaction_wrote_the_last_wakes_the_followers(
    ledger: Ledger, told: list[dict[str, Any]]
) -> None:
    feed.publish(
        await written(
            ledger,
            EventType.STATE_UPDATED,
            EventType.CHECKPOINT_SAVED,
            EventType.STAGE_COMPLETED,
        )
    )

    (event,) = told
    assert event["event"] == "desk.stage.completed"
    assert event["resource"]["prefect.resource.id"] == f"desk.run.{RUN}"
    assert event["payload"]["id"] == 3


@pytest.mark.parametrize(
    "named",
    [
        EventType.WAITING,
        EventType.HITL_REMINDED,
        EventType.HITL_ESCALATED,
        EventType.HITL_SNOOZED,
        EventType.HITL_WOKEN,
        EventType.NOTE_ADDED,
        EventType.HITL_RESOLVED,
        EventType.HITL_REJECTED,
        EventType.ERROR,
        EventType.RUN_STARTED,
        EventType.RUN_RESUMED,
        EventType.RUN_COMPLETED,
        EventType.RUN_FAILED,
        EventType.RUN_CANCELLED,
    ],
)
async def test_what_an_automation_may_wait_for_is_told_by_its_name_wherever_it_stands(
    ledger: Ledger, told: list[dict[str, Any]], named: EventType
) -> None:
    feed.publish(await written(ledger, named, EventType.STAGE_SKIPPED))

    assert [event["event"] for event in told] == [f"desk.{named}", "desk.stage.skipped"]


async def test_every_run_of_a_transaction_wakes_its_own_followers(
    ledger: Ledger, told: list[dict[str, Any]]
) -> None:
    one = await written(ledger, EventType.PROGRESS, EventType.PROGRESS)
    other = await written(ledger, EventType.PROGRESS, run_id="run-2")

    feed.publish([*one, *other])

    assert [event["resource"]["prefect.resource.id"] for event in told] == [
        f"desk.run.{RUN}",
        "desk.run.run-2",
    ]


async def test_an_event_that_is_told_twice_has_the_same_id(
    ledger: Ledger, told: list[dict[str, Any]]
) -> None:
    events = await written(ledger, EventType.RUN_STARTED)

    feed.publish(events)
    feed.publish(events)

    assert told[0]["id"] == told[1]["id"]
