"""Decisions by day: those of runs and of batches, each on the day on which it was entered."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.runtime.ledger import chunks, decision_days
from flows.runtime.ledger.chunks import FinishedChunk
from flows.runtime.ledger.database import Ledger, stamp
from flows.runtime.ledger.tables import batch_chunks
from tests.flows.runtime.entries import a_decision


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


async def _finish_chunk(ledger: Ledger, outcomes: dict[str, int], moment: datetime) -> None:
    claims = [
        chunks.Claim(f"{outcome}-{number}", f"{outcome}-{number}", "a" * 64, "b" * 64)
        for outcome, count in outcomes.items()
        for number in range(count)
    ]
    chunk = FinishedChunk(
        number=0,
        rows=len(claims),
        lines=[],
        rejects=[],
        restricted=[],
        totals={"outcomes": outcomes},
        claims=claims,
        referrals=[],
        chain="c" * 64,
        decided_at=stamp(moment),
    )
    await ledger.write(chunks.finish, "batch-1", chunk)
    written = batch_chunks.update().values(written_at=stamp(moment))
    await ledger.write(lambda connection: connection.execute(written).rowcount)


async def test_every_decision_is_counted_once_on_its_day(any_ledger: Ledger) -> None:
    await a_decision(any_ledger, "before", "approve", at(9, 23, 59))
    await a_decision(any_ledger, "first", "approve", at(10))
    await a_decision(any_ledger, "same-day", "approve", at(10, 23, 59))
    await a_decision(any_ledger, "other", "decline", at(10, 12))
    await a_decision(any_ledger, "last", "approve", at(12))
    await a_decision(any_ledger, "after", "approve", at(13))
    await _finish_chunk(any_ledger, {"approve": 3, "counter_offer": 1}, at(12, 8))

    counted = await any_ledger.read(decision_days.count_by_day, at(10), at(13))

    assert counted == {
        ("2026-11-10", "approve"): 2,
        ("2026-11-10", "decline"): 1,
        ("2026-11-12", "approve"): 4,
        ("2026-11-12", "counter_offer"): 1,
    }
