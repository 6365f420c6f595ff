"""Notes on a case, and requests put aside: kept, told to followers, and in the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.contracts.errors import ConflictError, ContractViolationError, RecordErasedError
from data.contracts.events import Event, EventStatus
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from flows.runtime.audit import pack as audit
from flows.runtime.ledger import erasures, journal, notes, runs, tables
from flows.runtime.ledger.database import Ledger
from flows.service.case_view import case_view
from flows.service.desk import DeskService
from flows.service.requests import Caller, ClaimRequest, NoteRequest, SnoozeRequest
from tests.flows.inline import persona
from tests.flows.waiting_desk import RUN, desk_on, waiting

UNA = Caller("Una", (Role.UNDERWRITER,), proven=True, channel=Channel.HTTP, principal="una@desk")
MONA = ClaimRequest(reviewer="Mona")
BORA = persona("bora-borderline").case


@pytest.fixture
async def waiting_desk(ledger: Ledger) -> DeskService:
    await waiting(ledger, BORA)
    return desk_on(ledger)


def says(text: str) -> NoteRequest:
    return NoteRequest(reviewer="Mona", text=text)


async def told(waiting_desk: DeskService) -> list[Event]:
    written = await waiting_desk.ledger.read(journal.read, RUN)
    return [Event.model_validate_json(body) for body in written]


async def end(waiting_desk: DeskService) -> None:
    over = {"status": RunStatus.COMPLETED}
    await waiting_desk.ledger.write(
        lambda connection: connection.execute(tables.runs.update().values(**over))
    )


async def test_a_note_is_read_with_the_case_and_told_without_its_text(
    waiting_desk: DeskService,
) -> None:
    first = await waiting_desk.write_note(RUN, says("The employer\ncalls back"), UNA)
    unproven = replace(UNA, name="", principal="", proven=False)
    second = await waiting_desk.write_note(RUN, says("Called again"), unproven)

    view = await waiting_desk.ledger.read(case_view, RUN)
    assert view.notes == (second, first)
    assert (first.author, first.text, second.author) == ("Una", "The employer\ncalls back", "Mona")
    events = await told(waiting_desk)
    assert [event.meta for event in events] == [
        {"by": "Una", "note_id": first.note_id},
        {"by": "Mona", "note_id": second.note_id},
    ]
    assert {event.status for event in events} == {EventStatus.WAITING}
    assert "calls back" not in "".join(event.model_dump_json() for event in events)


async def test_the_same_key_is_the_same_note_and_never_another_one(
    waiting_desk: DeskService,
) -> None:
    first = await waiting_desk.write_note(RUN, says("Called"), UNA, "k-1")

    assert await waiting_desk.write_note(RUN, says("Called"), UNA, "k-1") == first
    with pytest.raises(ConflictError, match="another note"):
        await waiting_desk.write_note(RUN, says("Called twice"), UNA, "k-1")

    assert len(await told(waiting_desk)) == 1


@pytest.mark.parametrize(
    "text", [BORA.application.primary.ssn, f"born {BORA.application.primary.dob}"]
)
async def test_a_note_with_personal_data_of_the_case_is_refused(
    waiting_desk: DeskService, text: str
) -> None:
    with pytest.raises(ContractViolationError) as refused:
        await waiting_desk.write_note(RUN, says(f"Asked: {text}"), UNA)

    assert refused.value.problems[0].pointer == "/text"
    assert text not in str(refused.value)
    assert (
        await waiting_desk.ledger.read(notes.of_application, BORA.application.application_id) == []
    )


async def test_a_note_on_a_run_that_has_ended_is_kept_and_its_journal_stays_closed(
    waiting_desk: DeskService,
) -> None:
    await end(waiting_desk)

    written = await waiting_desk.write_note(RUN, says("The applicant has called"), UNA)

    assert (await waiting_desk.ledger.read(case_view, RUN)).notes == (written,)
    assert await told(waiting_desk) == []


async def test_a_pack_has_the_notes_and_an_erasure_leaves_who_wrote_when(
    waiting_desk: DeskService,
) -> None:
    note = await waiting_desk.write_note(RUN, says("Called the employer"), UNA)
    (before,) = (await waiting_desk.ledger.read(audit.collect, RUN, "1"))["notes"]
    await end(waiting_desk)

    await waiting_desk.ledger.write(
        erasures.erase, BORA.application.application_id, lambda body: "0" * 64
    )

    (after,) = (await waiting_desk.ledger.read(audit.collect, RUN, "1"))["notes"]
    assert (before["text"], before["author_principal"]) == ("Called the employer", "una@desk")
    assert after == before | {"text": ""}
    with pytest.raises(RecordErasedError):
        await waiting_desk.write_note(RUN, says("More"), UNA)
    assert note.written_at.isoformat()[:19] == after["written_at"][:19]


async def test_a_snooze_and_a_return_by_hand_are_told_each_time(waiting_desk: DeskService) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    asleep = SnoozeRequest(reviewer="Mona", until=until, reason="a call on Tuesday")
    caller = replace(UNA, name="Mona")

    for _ in range(2):
        await waiting_desk.snooze(RUN, asleep, caller)
        await waiting_desk.wake(RUN, MONA, caller)
    await waiting_desk.wake(RUN, MONA, caller)  # it is in the inbox already

    events = await told(waiting_desk)
    assert [event.type.value for event in events] == ["hitl.snoozed", "hitl.woken"] * 2
    about: dict[str, Any] = {"gate": "underwriter", "by": "Mona"}
    assert events[0].meta == about | {"until": until.isoformat()}
    assert events[1].meta == about
    assert {event.status for event in events} == {EventStatus.WAITING}
    assert (await waiting_desk.ledger.read(runs.find, RUN)).last_event_id == 4
