"""The summary of a batch: parts add up, rates are of the applications judged, bars are a plot."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from data.contracts.batch import BatchSummary, BatchTotals, RejectedLine
from data.contracts.runs import Failure, RunOptions, RunStatus
from flows.portfolio.report import markdown_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PARTS = [
    BatchTotals(
        rows=4,
        rejected=1,
        recommendations={"approve": 2, "refer": 1},
        grades={"A": 2, "C": 1},
        approved=Decimal("1000.10"),
        expected_loss=Decimal("10.05"),
    ),
    BatchTotals(rows=2, recommendations={"approve": 1, "decline": 1}, approved=Decimal("0.90")),
]


def summary(**fields: Any) -> BatchSummary:
    blank: dict[str, Any] = {
        "batch_id": "b",
        "file_name": "november.jsonl",
        "sha256": "a" * 64,
        "status": RunStatus.COMPLETED,
        "options": RunOptions(),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return BatchSummary(**blank | fields)


def test_totals_of_parts_add_up() -> None:
    together = BatchTotals.together(PARTS)

    assert (together.rows, together.rejected, together.accepted) == (6, 1, 5)
    assert together.recommendations == {"approve": 3, "refer": 1, "decline": 1}
    assert (together.approved, together.expected_loss) == (Decimal("1001.00"), Decimal("10.05"))


def test_the_page_shows_rates_as_bars() -> None:
    page = markdown_of(summary(totals=BatchTotals.together(PARTS)))

    assert "| Approved | 3 | 60.0% | ██████████████████████████████ |" in page
    assert "| Declined | 1 | 20.0% | ██████████ |" in page
    assert "$1,001.00" in page
    assert "## Rulings" not in page


def test_the_page_leads_to_the_trace_of_the_batch_if_there_is_one() -> None:
    page = markdown_of(summary(links={"trace": "http://traces/1"}))

    assert "[Trace](http://traces/1)" in page
    assert "Trace" not in markdown_of(summary(links={"trace": ""}))


def test_the_page_of_a_failed_batch_names_its_faults() -> None:
    fault = RejectedLine(line=3, field="/application", code="missing", message="is required")
    failure = Failure(code="no_good_row", message="all 1 rows were rejected")

    page = markdown_of(summary(status=RunStatus.FAILED, error=failure, faults=(fault,)))

    assert "all 1 rows were rejected (`no_good_row`)" in page
    assert "- line 3, `/application`: is required (`missing`)" in page
