"""Other applications of the same people, by runs and batches: found by keyed digests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.application import ApplicantRole
from data.contracts.case import CaseFile
from data.contracts.case_view import OtherApplication
from data.contracts.decision import Outcome
from data.contracts.errors import RecordNotFoundError
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.housekeeping import keep_house
from flows.parties import PartyDigests
from flows.retention import erase_on_request
from flows.runtime.ledger import parties, tables
from flows.runtime.ledger.database import Ledger, moment
from flows.service import submissions
from flows.service.other_applications import other_applications
from flows.service.queries import DeskQueries
from flows.service.requests import Caller, StartRun
from tests.flows.portfolio.portfolios import cases, done, write_portfolio
from tests.flows.waiting_desk import RUN, waiting

PRIMARY, CO = ApplicantRole.PRIMARY, ApplicantRole.CO


def caller(*roles: Role) -> Caller:
    return Caller("una", roles, proven=True, channel=Channel.HTTP)


def as_first_applicant(case: CaseFile, co: CaseFile, **changed: Any) -> CaseFile:
    """A case whose first applicant is the co-applicant of another."""
    content = case.model_dump(include=set(CaseFile.model_fields), mode="json")
    person = co.application.applicants[1].model_dump(mode="json") | {"role": "primary"}
    content["application"]["applicants"] = [person | changed]
    return CaseFile.model_validate(content)


async def submit(ledger: Ledger, case: CaseFile) -> str:
    request = StartRun(application=case)
    run, _ = await submissions.submit(ledger, settings(), request, caller(Role.INTAKE))
    return run.run_id


async def others(ledger: Ledger, name: str) -> dict[str, OtherApplication]:
    found = await ledger.read(other_applications, name)
    return {other.application_id: other for other in found}


def rows(ledger: Ledger) -> list[sa.Row[Any]]:
    with ledger.reading() as connection:
        return list(connection.execute(sa.select(tables.parties)).all())


async def test_people_are_found_also_as_co_applicants_and_by_name_and_birth_date(
    ledger: Ledger,
) -> None:
    (joint,) = cases("now", "jo-kit-joint")
    same, twin = cases("run", "ada-prime", "dee-debtor")
    kit = joint.application.applicants[1]
    assert f"{kit.first_name} {kit.last_name}".casefold() == "kit joint"
    # The name in other letters, with another number: a person who may be another one.
    written = {"ssn": "412-55-7831", "first_name": "Kít", "last_name": "JOINT", "middle_name": "Q."}
    await submit(ledger, joint)
    run_id = await submit(ledger, as_first_applicant(same, joint))
    await submit(ledger, as_first_applicant(twin, joint, **written))

    found = await others(ledger, "now-jo-kit-joint")

    assert list(found) == ["run-dee-debtor", "run-ada-prime"]
    first, second = found["run-ada-prime"], found["run-dee-debtor"]
    assert (first.run_id, first.status, first.outcome) == (run_id, RunStatus.QUEUED, None)
    assert first.amount_requested == same.application.amount_requested
    assert (first.same_number, first.same_name, first.batch_id) == ((CO,), (CO,), "")
    assert (second.same_number, second.same_name) == ((), (CO,))
    assert (await others(ledger, "run-ada-prime"))["now-jo-kit-joint"].same_number == (PRIMARY,)


async def test_what_a_batch_has_decided_or_referred_is_found_with_its_outcome(
    ledger: Ledger, tmp_path: Path
) -> None:
    for case in cases("now", "dee-debtor", "bora-borderline"):
        await submit(ledger, case)
    path = write_portfolio(tmp_path / "p.jsonl", cases("b", "dee-debtor", "bora-borderline"))
    batch = await asyncio.to_thread(done, ledger, path)

    (decided,) = (await others(ledger, "now-dee-debtor")).values()
    (referred,) = (await others(ledger, "now-bora-borderline")).values()

    assert (decided.application_id, decided.run_id) == ("b-dee-debtor", "")
    assert (decided.batch_id, decided.outcome) == (batch.batch_id, Outcome.DECLINE)
    assert (referred.application_id, referred.outcome) == ("b-bora-borderline", None)


async def test_other_applications_are_for_roles_that_read_names(ledger: Ledger) -> None:
    first, second = cases("one", "bora-borderline")[0], cases("two", "bora-borderline")[0]
    await waiting(ledger, first)
    await submit(ledger, second)
    digests = PartyDigests.of_desk(settings().parties_secret)
    await ledger.write(parties.enter, list(digests.parties(first.application)))
    desk = DeskQueries(settings(), ledger)

    shown = (await desk.case(RUN, caller(Role.UNDERWRITER))).other_applications
    hidden = (await desk.case(RUN, caller(Role.VIEWER, Role.OPERATOR))).other_applications

    assert shown is not None
    assert [other.application_id for other in shown] == ["two-bora-borderline"]
    assert hidden is None


async def test_the_ledger_holds_no_number_and_no_digest_that_could_be_guessed(
    ledger: Ledger, tmp_path: Path
) -> None:
    (case,) = cases("secret", "ada-prime")
    await submit(ledger, case)
    (row,) = rows(ledger)
    own = list(PartyDigests.of_desk(settings().parties_secret).parties(case.application))
    of_another_desk = list(PartyDigests.of_desk(tmp_path / "elsewhere").parties(case.application))

    assert own[0].number_digest == row.number_digest != of_another_desk[0].number_digest
    assert own[0].name_digest == row.name_digest != of_another_desk[0].name_digest
    assert settings().parties_secret.stat().st_mode & 0o077 == 0
    assert case.application.primary.ssn not in str(row)


def test_a_machine_without_the_secret_enters_no_person_and_makes_no_other_secret(
    ledger: Ledger, tmp_path: Path
) -> None:
    done(ledger, write_portfolio(tmp_path / "p.jsonl", cases("far", "ada-prime")))

    assert rows(ledger) == []
    assert not settings().parties_secret.exists()


async def test_people_are_erased_with_the_application_and_after_the_shortest_time_of_the_law(
    ledger: Ledger, tmp_path: Path
) -> None:
    PartyDigests.of_desk(settings().parties_secret)
    asked, old, new = cases("batch", "ada-prime", "dee-debtor", "ben-midland")
    await asyncio.to_thread(done, ledger, write_portfolio(tmp_path / "p.jsonl", [asked, old, new]))
    await submit(ledger, cases("filed", "dora-duplicate")[0])
    long_ago = moment(-27 * 31 * 24 * 3600)
    aged = tables.parties.c.application_id.in_(["batch-dee-debtor", "filed-dora-duplicate"])
    with ledger.writing() as connection:
        connection.execute(tables.parties.update().where(aged).values(filed_at=long_ago))

    await ledger.write(erase_on_request, "batch-ada-prime", settings())
    await keep_house(ledger, settings(), dry_run=False, thorough=False)

    # What lies in the vault is kept as long as the application.
    known = {row.application_id for row in rows(ledger)}
    assert known == {"batch-ben-midland", "filed-dora-duplicate"}
    with pytest.raises(RecordNotFoundError):
        await ledger.write(erase_on_request, "batch-ada-prime", settings())
