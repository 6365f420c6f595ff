"""Watchlists in a batch: every screening is kept, and what two people have cleared counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from data.contracts.screening import WATCHLIST_RECORD
from flows.runtime.ledger import chunks, referrals
from flows.runtime.ledger.database import Ledger
from flows.service.cleared import batch_screenings
from flows.service.requests import ScreeningRecord
from tests.flows.cleared import confirm_clearance, propose_clearance, screening_of
from tests.flows.portfolio.portfolios import cases, done, lines_of, write_portfolio


def test_the_screening_of_each_decided_application_is_kept_beside_the_decisions(
    ledger: Ledger, tmp_path: Path
) -> None:
    handed_in = cases("seen", "ada-prime", "sam-sanction", "pat-potential", "bora-borderline")
    clear, listed, possible, _ = (case.application.application_id for case in handed_in)

    batch = done(ledger, write_portfolio(tmp_path / "p.jsonl", handed_in))

    with ledger.reading() as connection:
        found = [
            ScreeningRecord.model_validate_json(line)
            for line in batch_screenings(connection, batch.batch_id, 0)
        ]
        lines = b"".join(chunks.lines(connection, batch.batch_id, 0)).decode()
        referred = {
            referral.application_id: referral.restricted[WATCHLIST_RECORD]["status"]
            for referral in referrals.pending(connection, batch.batch_id, 10)
        }
    assert {record.application_id: record.screening.status for record in found} == {
        clear: "clear",
        listed: "true_match",
    }
    assert {record.batch_id for record in found} == {batch.batch_id}
    (candidate,) = found[1].screening.candidates
    assert candidate.entry_id not in lines
    assert referred[possible] == "potential"


async def test_a_match_that_two_people_have_cleared_is_not_referred(
    ledger: Ledger, tmp_path: Path
) -> None:
    (case,) = cases("cleared", "pat-potential")
    screening = await screening_of(case)
    await ledger.write(confirm_clearance, screening.doubtful)

    batch = await asyncio.to_thread(done, ledger, write_portfolio(tmp_path / "p.jsonl", [case]))

    (line,) = lines_of(ledger, batch).values()
    with ledger.reading() as connection:
        (kept,) = batch_screenings(connection, batch.batch_id, 0)
    (candidate,) = ScreeningRecord.model_validate_json(kept).screening.candidates
    assert (line["status"], line["outcome"]) == ("decided", "approve")
    assert (candidate.status, bool(candidate.clearance)) == ("clear", True)


async def test_a_match_that_one_person_has_cleared_is_referred(
    ledger: Ledger, tmp_path: Path
) -> None:
    (case,) = cases("proposed", "pat-potential")
    screening = await screening_of(case)
    await ledger.write(propose_clearance, screening.doubtful)

    batch = await asyncio.to_thread(done, ledger, write_portfolio(tmp_path / "p.jsonl", [case]))

    (line,) = lines_of(ledger, batch).values()
    assert (line["status"], line["gate"]) == ("referred", "compliance")
