"""A chunk: decided as single runs decide, written once, and never against another decision."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.contracts.after_decision import OfferAnswer
from data.contracts.application import ApplicantRole
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent
from data.contracts.errors import (
    AlreadyDecidedError,
    ConflictError,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.portfolio import PortfolioRow
from data.contracts.review import Channel, Role
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.portfolio import chunk as chunk_module
from flows.portfolio.chunk import underwrite_chunk
from flows.runtime.execution.desk import this_desk
from flows.runtime.ledger import (
    applications,
    batch_ends,
    batches,
    chunks,
    decided,
    decisions,
    erasures,
    run_requests,
    tables,
)
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.run_requests import RunRequest
from flows.runtime.ledger.runs import Run
from flows.service import after_decision, sent
from flows.service.queries import DeskQueries
from flows.service.requests import Caller
from flows.service.submissions import require_not_decided_by_batch
from tests.flows.inline import underwritten
from tests.flows.portfolio.conftest import CHUNK_ROWS
from tests.flows.portfolio.portfolios import (
    begun,
    cases,
    done,
    lines_of,
    summary_of,
    write_portfolio,
)
from tests.tools.portfolio.portfolios import read
from tools.case_files import case_ids
from tools.modelling.synthesize import APPLICATIONS, Recipe, synthesize


def submitted(ledger: Ledger, case: CaseFile) -> Run:
    """The application as a client submits it by itself."""
    with ledger.writing() as connection:
        run, _ = run_requests.submit(
            connection,
            case.application.application_id,
            case.inputs_sha256(),
            canonical_json(case),
            RunRequest(),
        )
    return run


async def decided_by_itself(ledger: Ledger, case: CaseFile) -> Run:
    """The application after its own run has decided it."""
    run = submitted(ledger, case)
    content = (await underwritten(case)).content
    await ledger.write(decisions.enter, run.run_id, content)
    return run


async def test_a_batch_decides_every_persona_as_a_single_run_does(
    ledger: Ledger, tmp_path: Path
) -> None:
    handed_in = cases("same")
    path = write_portfolio(tmp_path / "all.jsonl", handed_in)

    await assert_decided_alike(ledger, handed_in, await asyncio.to_thread(done, ledger, path))

    assert len(handed_in) == len(case_ids(settings().data_dir))


@pytest.mark.timeout(600)
async def test_a_batch_decides_generated_applications_as_single_runs_do(
    ledger: Ledger, tmp_path: Path, soak: bool
) -> None:
    synthesize(tmp_path, Recipe(1000 if soak else 60, seed=11))
    path = tmp_path / APPLICATIONS
    handed_in = [row.case for row in read(path) if isinstance(row, PortfolioRow)]

    await assert_decided_alike(ledger, handed_in, await asyncio.to_thread(done, ledger, path))


async def assert_decided_alike(ledger: Ledger, handed_in: list[CaseFile], batch: Batch) -> None:
    """Compare each line of a batch with the application's own run, byte for byte."""
    lines = lines_of(ledger, batch)
    assert len(lines) == len(handed_in) > 0
    decided = 0
    for case in handed_in:
        alone = await underwritten(case)
        line = lines[case.application.application_id]
        if alone.is_decided:
            decided += 1
            assert canonical_json(line["content"]) == canonical_json(alone.content)
            assert line["content_sha256"] == alone.content.content_sha256
            assert DecisionContent.model_validate(line["content"]) == alone.content
        else:
            assert (line["status"], line["gate"]) == ("referred", alone.gates[0])
    totals = summary_of(ledger, batch).totals
    assert totals.statuses == {"decided": decided, "referred": len(lines) - decided}
    assert sum(totals.outcomes.values()) == decided


def test_a_chunk_that_is_finished_is_not_executed_again(ledger: Ledger, tmp_path: Path) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("again", "ada-prime", "dee-debtor"))
    batch, (chunk,) = begun(ledger, path)

    first = underwrite_chunk(batch.batch_id, str(path), chunk)
    path.unlink()
    second = underwrite_chunk(batch.batch_id, str(path), chunk)

    assert (first, second) == ("finished", "found")


async def test_an_application_that_a_run_has_decided_is_reported_and_left_alone(
    ledger: Ledger, tmp_path: Path
) -> None:
    (case,) = cases("single", "ada-prime")
    run = await decided_by_itself(ledger, case)

    batch = await asyncio.to_thread(done, ledger, write_portfolio(tmp_path / "p.jsonl", [case]))

    (line,) = lines_of(ledger, batch).values()
    known = await ledger.read(decisions.find, run.run_id)
    assert (line["status"], line["run_id"]) == ("decided_before", run.run_id)
    assert line["content_sha256"] == known["content_sha256"]
    assert "content" not in line


def test_an_application_that_another_batch_has_decided_is_reported(
    ledger: Ledger, tmp_path: Path
) -> None:
    both, other = cases("both", "ada-prime", "dee-debtor")
    first = done(ledger, write_portfolio(tmp_path / "first.jsonl", [both]))

    second = done(ledger, write_portfolio(tmp_path / "second.jsonl", [both, other]))

    lines = lines_of(ledger, second)
    line = lines[both.application.application_id]
    assert (line["status"], line["batch_id"]) == ("decided_before", first.batch_id)
    assert lines[other.application.application_id]["status"] == "decided"


def test_a_run_under_way_keeps_its_application(ledger: Ledger, tmp_path: Path) -> None:
    (case,) = cases("live", "ada-prime")
    run = submitted(ledger, case)

    batch = done(ledger, write_portfolio(tmp_path / "p.jsonl", [case]))

    (line,) = lines_of(ledger, batch).values()
    assert (line["status"], line["run_id"]) == ("in_another_run", run.run_id)


async def test_a_batch_decides_an_application_whose_own_run_failed(
    ledger: Ledger, tmp_path: Path
) -> None:
    (case,) = cases("failed", "ada-prime")
    run = submitted(ledger, case)
    with ledger.writing() as connection:
        connection.execute(
            tables.runs.update().where(tables.runs.c.run_id == run.run_id).values(status="failed")
        )

    batch = await asyncio.to_thread(done, ledger, write_portfolio(tmp_path / "p.jsonl", [case]))

    (line,) = lines_of(ledger, batch).values()
    assert line["status"] == "decided"
    with pytest.raises(AlreadyDecidedError, match=f"decided by batch {batch.batch_id}"):
        await ledger.read(decisions.require_undecided, run)
    with pytest.raises(AlreadyDecidedError):
        await ledger.read(require_not_decided_by_batch, case.application.application_id)


@pytest.mark.parametrize("filed_by", ["run", "batch"])
def test_other_content_under_a_known_id_is_rejected(
    ledger: Ledger, tmp_path: Path, filed_by: str
) -> None:
    known, other = cases("x", "ada-prime", "dee-debtor")
    other = other.renamed(known.application.application_id)
    if filed_by == "run":
        submitted(ledger, known)
    else:
        done(ledger, write_portfolio(tmp_path / "first.jsonl", [known]))

    batch = done(ledger, write_portfolio(tmp_path / "second.jsonl", [other]))

    assert lines_of(ledger, batch) == {}
    with ledger.reading() as connection:
        (reject,) = [json.loads(line) for line in chunks.rejects(connection, batch.batch_id, 0)]
    assert (reject["line"], reject["field"], reject["code"]) == (
        1,
        "/application/application_id",
        "conflict",
    )


def test_bad_rows_are_rejected_one_by_one_and_the_others_go_on(
    ledger: Ledger, tmp_path: Path
) -> None:
    good, bad = cases("mixed", "ada-prime", "dee-debtor")
    broken = json.loads(canonical_json(bad))
    broken["application"]["amount_requested"] = "12,000.00"
    rows: list[CaseFile | str] = [good, json.dumps(broken), "{not json"]

    batch = done(ledger, write_portfolio(tmp_path / "p.jsonl", rows))

    assert list(lines_of(ledger, batch)) == [good.application.application_id]
    with ledger.reading() as connection:
        rejects = [json.loads(line) for line in chunks.rejects(connection, batch.batch_id, 0)]
    assert [(reject["line"], reject["field"]) for reject in rejects] == [
        (2, "/application/amount_requested"),
        (3, ""),
    ]
    assert rejects[1]["code"] == "malformed_json"
    assert not any("12,000" in json.dumps(reject) for reject in rejects)
    totals = summary_of(ledger, batch).totals
    assert (totals.rows, totals.rejected) == (3, 2)


def test_every_line_is_chained_to_the_ones_before_it(ledger: Ledger, tmp_path: Path) -> None:
    batch = done(ledger, write_portfolio(tmp_path / "all.jsonl", cases("chain")))

    with ledger.reading() as connection:
        heads = []
        for number in chunks.numbers(connection, batch.batch_id):
            chain = hashlib.sha256(f"{batch.batch_id}/{number}".encode()).hexdigest()
            for raw in chunks.lines(connection, batch.batch_id, number):
                line = json.loads(raw)
                written = line.pop("chain")
                chain = hashlib.sha256(chain.encode() + canonical_json(line)).hexdigest()
                assert written == chain
            heads.append(chain)
    assert len(heads) == -(-len(case_ids(settings().data_dir)) // CHUNK_ROWS)
    assert summary_of(ledger, batch).chain == hashlib.sha256("".join(heads).encode()).hexdigest()


def test_a_referred_case_goes_into_the_vault_and_cannot_be_erased(
    ledger: Ledger, tmp_path: Path
) -> None:
    decided, referred = cases("vault", "ada-prime", "bora-borderline")

    done(ledger, write_portfolio(tmp_path / "p.jsonl", [decided, referred]))

    with ledger.writing() as connection:
        filed = applications.filed(connection, referred.application.application_id)
        assert CaseFile.model_validate_json(filed.body) == referred
        with pytest.raises(LookupError):
            applications.filed(connection, decided.application.application_id)
        with pytest.raises(ConflictError):
            erasures.erase(connection, referred.application.application_id, lambda body: "0" * 64)


def test_a_chunk_that_takes_too_long_is_given_up_and_writes_nothing(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_portfolio(tmp_path / "p.jsonl", cases("late", "ada-prime", "tim-timeout"))
    batch, (chunk,) = begun(ledger, path)
    hasty = this_desk().settings.model_copy(update={"batch_chunk_seconds": 0.05})
    monkeypatch.setattr(chunk_module, "this_desk", lambda: replace(this_desk(), settings=hasty))

    with pytest.raises(UnavailableError, match=r"longer than 0\.05 s"):
        underwrite_chunk(batch.batch_id, str(path), chunk)

    with ledger.reading() as connection:
        assert chunks.finished(connection, batch.batch_id) == set()


def test_a_batch_that_shall_stop_executes_no_further_chunk(ledger: Ledger, tmp_path: Path) -> None:
    path = write_portfolio(tmp_path / "all.jsonl", cases("stop"))
    batch, (first, second, *_) = begun(ledger, path)
    underwrite_chunk(batch.batch_id, str(path), first)
    with ledger.writing() as connection:
        batch_ends.request_cancel(connection, batch.batch_id)

    assert underwrite_chunk(batch.batch_id, str(path), second) == "stopped"
    with ledger.writing() as connection:
        batch_ends.stop(connection, batch.batch_id)
        assert batches.find(connection, batch.batch_id).status is RunStatus.CANCELLED
        assert chunks.finished(connection, batch.batch_id) == {first["number"]}


async def test_a_batch_writes_the_letters_of_what_it_decides_and_of_nothing_else(
    ledger: Ledger, tmp_path: Path
) -> None:
    handed_in = cases("letters")
    batch = await asyncio.to_thread(
        done, ledger, write_portfolio(tmp_path / "all.jsonl", handed_in)
    )

    asked = {case.application.application_id: case.application for case in handed_in}
    for name, line in lines_of(ledger, batch).items():
        if line["status"] != "decided":
            with pytest.raises(RecordNotFoundError):
                await ledger.read(sent.notice_of_application, name, ApplicantRole.PRIMARY)
            continue
        for applicant in asked[name].applicants:
            letter = await ledger.read(sent.notice_of_application, name, applicant.role)
            assert letter.applicant is applicant.role
            assert str(letter.due_by) == line["content"]["due_by"]
            assert letter.sent_at is not None


async def test_an_offer_of_a_batch_is_answered_by_the_application(
    ledger: Ledger, tmp_path: Path
) -> None:
    handed_in = cases("offers")
    batch = await asyncio.to_thread(
        done, ledger, write_portfolio(tmp_path / "all.jsonl", handed_in)
    )
    desk = DeskQueries(settings(), ledger)
    lines = {
        name: line for name, line in lines_of(ledger, batch).items() if line["status"] == "decided"
    }
    by_hand = Caller("ina", (Role.INTAKE,), proven=True, channel=Channel.HTTP)

    records = {name: await desk.decision_on(name) for name in lines}

    assert {name: record["content"] for name, record in records.items()} == {
        name: line["content"] for name, line in lines.items()
    }
    assert {record["batch_id"] for record in records.values()} == {batch.batch_id}
    name, record = next((name, found) for name, found in records.items() if found["offer"])
    await ledger.write(after_decision.answer_offer, record, OfferAnswer(accept=True), by_hand)
    again = await desk.decision_on(name)
    assert (again["offer"]["status"], again["offer"]["answered_by"]) == ("accepted", "ina")


async def test_a_decision_that_is_older_than_the_column_is_found_in_its_batch(
    ledger: Ledger, tmp_path: Path
) -> None:
    batch = await asyncio.to_thread(
        done, ledger, write_portfolio(tmp_path / "all.jsonl", cases("older"))
    )
    found = lines_of(ledger, batch).items()
    name, line = next((name, line) for name, line in found if line["status"] == "decided")
    with ledger.writing() as connection:
        connection.execute(tables.decisions.update().values(chunk=None))

    assert (await ledger.read(decided.of_application, name))["content"] == line["content"]
