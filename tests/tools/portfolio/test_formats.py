"""The same cases come back from JSON Lines, CSV and Parquet, in any chunks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contracts.case import CaseFile
from data.contracts.portfolio import PortfolioRow
from tests.tools.portfolio.portfolios import CASES, lines_of, read
from tests.tools.portfolio.tables import csv_of, nested_parquet_of, parquet_of

Writer = Callable[[Path, Iterable[CaseFile]], Path]


def jsonl_of(folder: Path, cases: Iterable[CaseFile]) -> Path:
    return lines_of(folder, *(case.model_dump_json().encode() for case in cases))


WRITERS: dict[str, Writer] = {
    "jsonl": jsonl_of,
    "csv": csv_of,
    "parquet": parquet_of,
    "nested parquet": nested_parquet_of,
}

printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
texts = st.builds(
    "{}{}{}".format,
    st.sampled_from(("", "=", "'", "'=", "-", "+1", "@", ' "')),
    printable,
    printable,
)
"""Texts that CSV has to quote or escape among them."""

amounts = st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100)


@st.composite
def portfolios(draw: st.DrawFn) -> list[CaseFile]:
    """Some of the personas with other ids, names, streets and amounts."""
    cases = []
    for number, case in enumerate(draw(st.lists(st.sampled_from(CASES), min_size=1, max_size=6))):
        value = case.model_dump()
        application, primary = value["application"], value["application"]["applicants"][0]
        application["application_id"] = f"case-{number}"
        application["amount_requested"] = draw(amounts)
        primary["last_name"], primary["employment"]["employer"] = draw(texts), draw(texts)
        primary["addresses"][0]["line1"] = draw(texts)
        primary["housing_payment_monthly"] = draw(amounts)
        primary["military_covered_borrower"] = draw(st.booleans())
        cases.append(CaseFile.model_validate(value))
    return cases


@pytest.mark.parametrize("name", WRITERS)
@given(cases=portfolios(), chunk_rows=st.integers(1, 7))
@settings(max_examples=25, deadline=None)
def test_a_written_portfolio_reads_back_equal(
    name: str, cases: list[CaseFile], chunk_rows: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = WRITERS[name](Path(folder), cases)

        found = read(path, chunk_rows)

    assert [row.case for row in found if isinstance(row, PortfolioRow)] == cases
    assert [row.row for row in found] == list(range(1, len(cases) + 1))
