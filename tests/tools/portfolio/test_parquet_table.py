"""Parquet files as other programs write them; without the extra, the error says what to install."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts.case import CaseFile
from data.contracts.errors import ContractViolationError, RecordCorruptError
from data.contracts.portfolio import PortfolioRow
from tests.tools.portfolio.portfolios import ADA, CASES, bundle, read, row, told
from tests.tools.portfolio.tables import flat, nested_parquet_of, parquet_of


def with_ids(*ids: str) -> list[dict[str, object]]:
    return [flat(bundle(ADA, application_id)) for application_id in ids]


def written(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "applications.parquet"
    names = sorted({name for each in rows for name in each})
    pq.write_table(pa.table({name: [each.get(name) for each in rows] for name in names}), path)
    return path


@pytest.mark.parametrize("group", [1, 3, 1000])
@pytest.mark.parametrize("write", [parquet_of, nested_parquet_of])
def test_chunks_and_row_groups_need_not_agree(
    tmp_path: Path, group: int, write: Callable[[Path, Iterable[CaseFile], int], Path]
) -> None:
    cases = CASES[:7]
    path = write(tmp_path, cases, group)

    for chunk_rows in (1, 3, 25):
        found = read(path, chunk_rows)
        assert [getattr(each, "case", each) for each in found] == list(cases)
        assert [each.line for each in found] == list(range(1, len(cases) + 1))


def test_an_application_id_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    assert told(read(written(tmp_path, with_ids("a", "b", "a")), 1)) == [
        (1, "a"),
        (2, "b"),
        (3, "/application/application_id duplicate_application"),
    ]


def test_a_bad_value_spoils_its_own_row(tmp_path: Path) -> None:
    rows = with_ids("a", "b", "c")
    rows[1]["application.amount_requested"] = "NaN"

    assert told(read(written(tmp_path, rows))) == [
        (1, "a"),
        (2, "/application/amount_requested value_error"),
        (3, "c"),
    ]


def test_a_text_that_is_not_utf8_spoils_its_own_row(tmp_path: Path) -> None:
    path = written(tmp_path, with_ids("a", "b-é", "c"))
    path.write_bytes(path.read_bytes().replace("b-é".encode(), b"b-\xff\xff"))

    assert told(read(path)) == [(1, "a"), (2, " malformed_parquet"), (3, "c")]


def test_a_row_may_name_the_file_of_its_application(tmp_path: Path) -> None:
    (tmp_path / "ada.json").write_text(ADA.application.model_dump_json())

    found = read(written(tmp_path, [{"application": "ada.json"}, {"application": "ada.json"}]))

    assert told(found) == [
        (1, "ada-prime"),
        (2, "/application/application_id duplicate_application"),
    ]


def test_a_column_that_no_bundle_has_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(ContractViolationError) as refused:
        read(written(tmp_path, [{"application.nickname": "x"}]))

    assert refused.value.problems[0].code == "unknown_column"


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "applications.parquet").write_bytes(row())

    with pytest.raises(RecordCorruptError, match=r"applications\.parquet is not a Parquet file"):
        read(tmp_path / "applications.parquet")


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    path = written(tmp_path, with_ids("a"))
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from tools.portfolio.reader import index_portfolio\n"
        "try: index_portfolio(Path(sys.argv[1]))\n"
        "except ImportError as error: sys.exit(str(error))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )

    assert "pip install 'credit-desk-lite[parquet]'" in done.stderr
    assert isinstance(read(path)[0], PortfolioRow)
