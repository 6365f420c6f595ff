"""A match that two people of compliance have cleared is not asked about again while it stays so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from data.contracts.errors import AuthorityError, ConflictError, RecordNotFoundError
from data.contracts.review import Channel, Role
from data.contracts.runs import Clearance
from data.contracts.screening import WatchlistStatus
from data.settings import settings
from flows.runtime.execution.recorder import LedgerRecord, MemoryRecord
from flows.runtime.ledger import clearances
from flows.runtime.ledger.database import Ledger
from flows.service.desk import DeskService
from flows.service.requests import Answer, Caller, ClaimRequest
from tests.flows.inline import persona
from tests.flows.stages.at_work import at_work, verified
from tests.flows.waiting_desk import RUN, desk_on, waiting

PAT = persona("pat-potential")
COMPLIANCE = Caller("", (Role.COMPLIANCE,), proven=False, channel=Channel.HTTP)


class OnLedger(MemoryRecord):
    """A record that looks into a ledger, as that of a desk does."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._on_desk = LedgerRecord(ledger, cast(Any, None), RUN, epoch=1)

    async def cleared(self, subjects: Collection[str], day: date) -> Mapping[str, str]:
        return await self._on_desk.cleared(subjects, day)


@pytest.fixture
async def desk(ledger: Ledger) -> DeskService:
    """A desk on which Pat's case waits for compliance."""
    done = await waiting(ledger, PAT, submitted_by="Ines")
    assert done.gates == ("compliance",)
    return desk_on(ledger)


async def clear(desk: DeskService, decision: str = "clear") -> None:
    given = {"gate": "compliance", "reviewer": "Una", "reason": "another person"}
    await desk.answer(RUN, Answer.model_validate(given | {"decision": decision}), COMPLIANCE)


async def confirm(desk: DeskService, reviewer: str = "Otto") -> Clearance:
    [found] = (await desk.clearances()).items
    request = ClaimRequest(reviewer=reviewer)
    return await desk.confirm_clearance(found.clearance_id, request, COMPLIANCE)


async def screened(ledger: Ledger, **differs: Any) -> WatchlistStatus:
    """How a further application of Pat is screened, possibly under another name."""
    application = PAT.case.application
    person = application.primary.model_copy(update=differs)
    changed = application.model_copy(update={"applicants": (person,)})
    with at_work() as run:
        run.record = OnLedger(ledger)
        _, _, verification = await verified(PAT.case.model_copy(update={"application": changed}))
    assert verification.kyc is not None
    return verification.kyc.watchlist.status


async def test_a_match_that_two_people_cleared_is_not_asked_about_again(desk: DeskService) -> None:
    assert await screened(desk.ledger) is WatchlistStatus.POTENTIAL

    await clear(desk)
    assert await screened(desk.ledger) is WatchlistStatus.POTENTIAL, "one person is not enough"

    found = await confirm(desk)
    assert await screened(desk.ledger) is WatchlistStatus.CLEAR
    assert (found.proposed_by, found.confirmed_by) == ("Una", "Otto")
    assert found.about == "synthetic-sanctions/SYN-0002"
    assert found.valid_until == (datetime.now(UTC) + timedelta(days=180)).date()


@pytest.mark.parametrize(
    "differs", [{"last_name": "Potentiall"}, {"dob": date(1980, 9, 22)}, {"middle_name": "Q"}]
)
async def test_another_name_or_date_of_birth_is_asked_about(
    desk: DeskService, differs: dict[str, Any]
) -> None:
    await clear(desk)
    await confirm(desk)

    assert await screened(desk.ledger, **differs) is WatchlistStatus.POTENTIAL


async def test_a_clearance_runs_out(desk: DeskService) -> None:
    await clear(desk)
    found = await confirm(desk)

    def subjects(day: date) -> Callable[[Any], dict[str, str]]:
        return lambda connection: clearances.confirmed(connection, day).valid([found.subject], day)

    last = found.valid_until
    assert await desk.ledger.read(subjects(last)) == {found.subject: found.clearance_id}
    assert await desk.ledger.read(subjects(last + timedelta(days=1))) == {}


async def test_the_person_who_cleared_a_match_cannot_confirm_it(desk: DeskService) -> None:
    await clear(desk)

    with pytest.raises(AuthorityError, match="another person"):
        await confirm(desk, " una ")
    with pytest.raises(AuthorityError, match="submitted"):
        await confirm(desk, "Ines")
    assert await screened(desk.ledger) is WatchlistStatus.POTENTIAL


async def test_confirming_twice_changes_nothing_and_a_third_person_is_told(
    desk: DeskService,
) -> None:
    await clear(desk)
    found = await confirm(desk)

    assert await confirm(desk) == found
    with pytest.raises(ConflictError):
        await confirm(desk, "Olga")


async def test_a_true_match_clears_no_match(desk: DeskService) -> None:
    await clear(desk, "true_match")

    assert (await desk.clearances()).items == ()


async def test_an_unknown_clearance_is_not_found(desk: DeskService) -> None:
    with pytest.raises(RecordNotFoundError):
        await desk.confirm_clearance("none", ClaimRequest(reviewer="Otto"), COMPLIANCE)


async def test_a_desk_with_keys_wants_a_proven_person(desk: DeskService, tmp_path: Path) -> None:
    await clear(desk)
    [found] = (await desk.clearances()).items
    keyed = settings().model_copy(update={"api_keys_file": tmp_path / "keys.json"})
    closed = desk_on(desk.ledger, keyed)
    request = ClaimRequest(reviewer="Otto")

    with pytest.raises(AuthorityError, match="API key"):
        await closed.confirm_clearance(found.clearance_id, request, COMPLIANCE)

    otto = replace(COMPLIANCE, name="otto", proven=True, principal="otto")
    confirmed = await closed.confirm_clearance(found.clearance_id, request, otto)
    assert (confirmed.confirmed_by, confirmed.confirmed_by_principal) == ("otto", "otto")


async def test_an_auditor_reads_every_screening(desk: DeskService) -> None:
    page = await desk.screenings(limit=1)

    [record] = page.items
    assert (record.run_id, record.application_id) == (RUN, "pat-potential")
    assert record.screening.candidates[0].entry_id == "SYN-0002"
    assert record.screening.lists[0].name == "synthetic-sanctions"
    assert page.next_cursor is None
    assert PAT.case.application.primary.last_name not in page.model_dump_json()
