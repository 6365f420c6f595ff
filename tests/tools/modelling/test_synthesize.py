"""Synthetic portfolios: alike for one seed, each row as the manifest says, all people invented."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from data.contracts.portfolio import PortfolioRow, RejectedRow
from data.contracts.synthetic import PortfolioManifest
from data.settings import settings
from data.synthetic.builder import AS_OF
from tests.tools.portfolio.portfolios import read
from tools.modelling import people
from tools.modelling.branches import BRANCHES
from tools.modelling.faults import FAULTS
from tools.modelling.synthesize import APPLICATIONS, MANIFEST, Recipe, synthesize
from tools.watchlist import Watchlists


def bytes_of(folder: Path, recipe: Recipe) -> bytes:
    synthesize(folder, recipe)
    return (folder / APPLICATIONS).read_bytes()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    recipe = Recipe(rows=60, seed=7, bad_share=Decimal("0.2"))

    first, second = (bytes_of(tmp_path / name, recipe) for name in ("first", "second"))
    other = bytes_of(tmp_path / "other", Recipe(60, 8, bad_share=Decimal("0.2")))

    assert first == second
    assert not set(first.splitlines()) & set(other.splitlines())


def test_a_longer_portfolio_begins_with_the_rows_of_a_shorter_one(tmp_path: Path) -> None:
    shorter, longer = (bytes_of(tmp_path / str(rows), Recipe(rows, 7)) for rows in (20, 30))

    assert longer.startswith(shorter)


def test_the_manifest_describes_the_file_beside_it(tmp_path: Path) -> None:
    counted: list[None] = []
    manifest = synthesize(tmp_path, Recipe(30, 7), lambda: counted.append(None))

    content = (tmp_path / APPLICATIONS).read_bytes()
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert PortfolioManifest.model_validate_json((tmp_path / MANIFEST).read_bytes()) == manifest
    assert len(counted) == manifest.rows == content.count(b"\n") == 30


def test_every_good_row_is_accepted_under_an_id_and_a_tax_number_of_its_own(
    tmp_path: Path,
) -> None:
    # A seed that is a birthday must not make ids that repeat one.
    synthesize(tmp_path, Recipe(250, seed=19841102))

    rows = read(tmp_path / APPLICATIONS)

    cases = [row.case for row in rows if isinstance(row, PortfolioRow)]
    numbers = [applicant.ssn for case in cases for applicant in case.application.applicants]
    assert len({case.application.application_id for case in cases}) == len(rows) == 250
    assert len(set(numbers)) == len(numbers) > 250


def test_each_branch_has_its_share_of_the_rows(tmp_path: Path) -> None:
    manifest = synthesize(tmp_path, Recipe(1000, 7))

    assert {branch.name: len(branch.lines) for branch in manifest.branches} == {
        branch.name: branch.share for branch in BRANCHES
    }
    assert sum(branch.planned_share for branch in manifest.branches) == 1
    assert sorted(line for branch in manifest.branches for line in branch.lines) == list(
        range(1, 1001)
    )


def test_every_kind_of_fault_is_rejected_as_the_manifest_says(tmp_path: Path) -> None:
    manifest = synthesize(tmp_path, Recipe(60, 7, bad_share=Decimal("0.5")))

    rejected = {
        row.line: row for row in read(tmp_path / APPLICATIONS) if isinstance(row, RejectedRow)
    }

    assert {fault.kind for fault in manifest.faults} == {"too_large", *(f.kind for f in FAULTS)}
    assert sorted(rejected) == sorted(line for fault in manifest.faults for line in fault.lines)
    assert len(rejected) == 30
    for fault in manifest.faults:
        for line in fault.lines:
            found = [(problem.pointer, problem.code) for problem in rejected[line].problems]
            assert (fault.pointer, fault.code) in found, fault.kind


@pytest.mark.parametrize("as_of", [AS_OF, date(2027, 1, 4), date(2028, 2, 29)])
def test_all_dates_follow_from_the_day_of_the_application(tmp_path: Path, as_of: date) -> None:
    manifest = synthesize(tmp_path, Recipe(60, 7, as_of))

    rows = read(tmp_path / APPLICATIONS)

    assert manifest.as_of == as_of
    for row in rows:
        assert isinstance(row, PortfolioRow)
        application, report = row.case.application, row.case.bureau_report
        assert application.as_of_date == application.received_at.date() == as_of
        assert report is None or report.report_date == as_of
        if report is not None:
            assert all(trade.opened_on < as_of for trade in report.tradelines)
        assert as_of - timedelta(days=80 * 366) < application.primary.dob < as_of


def test_no_invented_name_resembles_a_listed_one_unless_its_branch_wants_it() -> None:
    (index,) = Watchlists.shipped(settings().data_dir).current(AS_OF)

    names = [f"{first} {last}" for first, last in product(people._FIRST, people._LAST)]

    assert [name for name in names if index.hits(name)] == []


def test_files_that_are_there_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / APPLICATIONS).write_text("mine")

    with pytest.raises(ContractViolationError, match="choose another folder"):
        synthesize(tmp_path, Recipe(1, 7))

    assert (tmp_path / APPLICATIONS).read_text() == "mine"
    assert not (tmp_path / MANIFEST).exists()
