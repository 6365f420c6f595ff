"""The journal: numbers without gaps, nothing twice, nothing from a worker that lost its run."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.errors import LeaseLostError, RecordNotFoundError
from data.contracts.events import TERMINAL, Event, EventStatus, EventType
from data.contracts.review import ReviewRequest, Role
from data.contracts.runs import RunStatus
from flows.runtime.ledger import journal, leases, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import AppendedEvent
from flows.runtime.ledger.tables import events as entries
from flows.runtime.prefect_api import feed
from tests.flows.runtime.entries import RUN, a_claimed_run, a_run, draft


async def read(ledger: Ledger, run_id: str = RUN, **window: int) -> list[Event]:
    bodies = await ledger.read(journal.read, run_id, **window)
    return [Event.model_validate_json(body) for body in bodies]


async def test_twenty_writers_at_once_leave_no_gap_and_no_double(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    await asyncio.gather(
        *(
            any_ledger.write(journal.append, RUN, [draft(f"{who}/{n}") for n in range(5)])
            for who in range(20)
        )
    )

    entries = await read(any_ledger)
    assert [event.id for event in entries] == list(range(1, 101))
    assert len({event.message for event in entries}) == 100


async def test_the_journals_of_two_runs_count_for_themselves(any_ledger: Ledger) -> None:
    for run_id in ("one", "other"):
        await a_run(any_ledger, run_id)
        await any_ledger.write(journal.append, run_id, [draft("a"), draft("b")])

    assert [event.id for event in await read(any_ledger, "other")] == [1, 2]


async def test_what_is_told_again_keeps_its_number(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("a"), draft("b")])

    news = await any_ledger.write(journal.append, RUN, [draft("b"), draft("c"), draft("a")])

    assert [(event.id, event.message) for event in news] == [(3, "about c")]
    assert [event.message for event in await read(any_ledger)] == ["about a", "about b", "about c"]


async def test_a_key_given_twice_in_one_entry_is_written_once(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    news = await any_ledger.write(journal.append, RUN, [draft("a"), draft("a")])

    assert [event.id for event in news] == [1]


async def test_progress_never_falls_whatever_a_replay_computes(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    for key, progress in (("a", 0.5), ("b", 0.2), ("c", 0.7)):
        await any_ledger.write(journal.append, RUN, [draft(key, progress)])

    assert [event.progress for event in await read(any_ledger)] == [0.5, 0.5, 0.7]
    assert (await any_ledger.read(runs.find, RUN)).progress == 0.7


async def test_the_row_of_the_run_changes_with_its_journal(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    await any_ledger.write(
        journal.append, RUN, [draft("a")], status=RunStatus.WAITING, phase="check"
    )

    run = await any_ledger.read(runs.find, RUN)
    assert (run.status, run.phase, run.last_event_id) == (RunStatus.WAITING, "check", 1)


async def test_a_worker_that_was_given_up_writes_nothing(any_ledger: Ledger) -> None:
    old = await a_claimed_run(any_ledger, seconds=-1)
    new = await any_ledger.write(leases.acquire_lease, RUN, "host:2:other:now", 60)
    await any_ledger.write(journal.append, RUN, [draft("by the new one")], epoch=new)

    with pytest.raises(LeaseLostError, match=f"lease {old}"):
        await any_ledger.write(
            journal.append, RUN, [draft("too late")], epoch=old, status=RunStatus.FAILED
        )

    assert [event.message for event in await read(any_ledger)] == ["about by the new one"]
    assert (await any_ledger.read(runs.find, RUN)).status is RunStatus.RUNNING


async def test_an_entry_that_fails_later_in_its_transaction_was_never_there(
    any_ledger: Ledger,
) -> None:
    await a_run(any_ledger)

    def half(connection: sa.Connection) -> None:
        journal.append(connection, RUN, [draft("a")])
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await any_ledger.write(half)
    await any_ledger.write(journal.append, RUN, [draft("b")])

    assert [(event.id, event.message) for event in await read(any_ledger)] == [(1, "about b")]


async def test_there_is_no_journal_without_a_run(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="there is no run run-9"):
        await any_ledger.write(journal.append, "run-9", [draft("a")])


async def test_each_entry_is_chained_to_all_before_it(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    for key in "abc":
        await any_ledger.write(journal.append, RUN, [draft(key)])

    with any_ledger.reading() as connection:
        rows = connection.execute(
            sa.select(entries.c.body, entries.c.chain).order_by(entries.c.id)
        ).all()

    expected = ""
    for row in rows:
        expected = hashlib.sha256((expected + row.body).encode()).hexdigest()
        assert row.chain == expected
    assert (await any_ledger.read(runs.find, RUN)).chain == expected


async def test_an_edited_entry_breaks_the_chain(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("a"), draft("b")])

    with any_ledger.writing() as connection:
        body = connection.execute(sa.select(entries.c.body).where(entries.c.id == 1)).scalar_one()
        connection.execute(
            entries.update().where(entries.c.id == 1).values(body=body.replace("about", "never"))
        )
        edited, chain = connection.execute(
            sa.select(entries.c.body, entries.c.chain).where(entries.c.id == 1)
        ).one()

    assert hashlib.sha256(edited.encode()).hexdigest() != chain


async def test_reading_goes_on_after_a_number_and_stops_at_a_limit(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft(str(n)) for n in range(1, 8)])

    assert [event.id for event in await read(any_ledger, after=2, limit=3)] == [3, 4, 5]
    assert await read(any_ledger, after=7) == []


async def test_one_query_tells_how_far_many_journals_go(any_ledger: Ledger) -> None:
    for run_id, length in (("short", 1), ("long", 4), ("silent", 0)):
        await a_run(any_ledger, run_id)
        await any_ledger.write(journal.append, run_id, [draft(str(n)) for n in range(length)])

    heads = await any_ledger.read(journal.heads, ["short", "long", "silent", "unknown"])

    assert heads == {"short": 1, "long": 4, "silent": 0}


async def test_an_event_is_kept_as_the_very_json_that_clients_get(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await any_ledger.write(journal.append, RUN, [draft("é", 0.25)])

    (body,) = await any_ledger.read(journal.read, RUN)

    document = json.loads(body)
    assert document["message"] == "about é"
    assert list(document) == sorted(document)
    assert "\n" not in body
    assert (document["id"], document["progress"], document["phase"]) == (1, 0.25, "check")
    assert document["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("type", EventType)
def test_the_status_follows_from_the_type(type: EventType) -> None:
    waits = {EventType.WAITING, EventType.HITL_REMINDED, EventType.HITL_ESCALATED}
    waits |= {EventType.HITL_SNOOZED, EventType.HITL_WOKEN}
    bad = {EventType.ERROR, EventType.RUN_FAILED}

    status = draft("a", type=type).status

    assert (status is EventStatus.WAITING) == (type in waits)
    assert (status is EventStatus.ERROR) == (type in bad)
    assert (status is EventStatus.DONE) == (type in TERMINAL - bad)


@pytest.mark.parametrize(
    ("type", "status"),
    [
        (EventType.RUN_FAILED, RunStatus.FAILED),
        (EventType.RUN_CANCELLED, RunStatus.CANCELLED),
        (EventType.RUN_COMPLETED, RunStatus.COMPLETED),
    ],
)
async def test_the_end_of_a_run_carries_the_request_that_it_gives_up(
    any_ledger: Ledger, type: EventType, status: RunStatus
) -> None:
    await a_run(any_ledger)
    request = ReviewRequest(role=Role.UNDERWRITER, title="t", summary="s")
    review = await any_ledger.write(reviews.ask, RUN, "manager", 1, request)

    drafts = [draft("a"), draft("end", type=type)]
    written = await any_ledger.write(journal.append, RUN, drafts, status=status)

    told, ended = (event for event in written if isinstance(event, AppendedEvent))
    assert (told.given_up, ended.given_up) == ((), (review,))
    assert "given_up" not in ended.model_dump_json()


async def test_an_event_told_to_prefect_twice_is_known_as_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(feed, "emit_event", lambda **fields: told.append(fields))
    await a_run(ledger)
    drafts = [draft("a", type=EventType.WAITING), draft("b", type=EventType.HITL_RESOLVED)]
    written = await ledger.write(journal.append, RUN, drafts)

    feed.publish(written)
    feed.publish(written)

    first, second, again, _ = told
    assert first["id"] == again["id"] != second["id"]
    assert first["event"] == "desk.waiting"
    assert first["resource"]["prefect.resource.id"] == f"desk.run.{RUN}"
    assert first["payload"] == written[0].model_dump(mode="json")
