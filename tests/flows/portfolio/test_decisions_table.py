"""`decisions.parquet`: the same decisions as the lines, in typed columns, and nothing rounded."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.portfolio import decisions_table
from flows.portfolio.decisions_table import TABLE, write_table
from flows.portfolio.files import DECISIONS, write_results
from flows.runtime.ledger.database import Ledger
from tests.flows.portfolio.portfolios import cases, done, summary_of, write_portfolio

MONEY, RATE = pa.decimal128(12, 2), pa.decimal128(12, 6)


@pytest.fixture
def results(ledger: Ledger, tmp_path: Path) -> Path:
    """The folder with the results of a batch of every synthetic applicant."""
    batch = done(ledger, write_portfolio(tmp_path / "all.jsonl", cases("table")))
    write_results(ledger, summary_of(ledger, batch), tmp_path / "results")
    return tmp_path / "results"


def test_the_columns_have_exact_types(results: Path) -> None:
    write_table(results)

    schema = pq.read_schema(results / TABLE)
    kinds = {field.name: field.type for field in schema}
    assert schema == decisions_table.table_schema()
    assert (kinds["line"], kinds["reasons"]) == (pa.int64(), pa.list_(pa.string()))
    assert kinds["decided_at"] == pa.timestamp("us", tz="UTC")
    assert kinds["offer_expires_on"] == pa.date32()
    assert {name for name, kind in kinds.items() if kind == RATE} == {
        *("pd", "dti_after", "offer_rate", "offer_apr"),
    }
    assert {name for name, kind in kinds.items() if kind == MONEY} == {
        *("offer_amount", "offer_payment", "offer_final_payment"),
        *("offer_fee", "offer_finance_charge", "offer_total_of_payments"),
    }
    assert {field.name for field in schema if not field.nullable} == {
        *("line", "application_id", "status", "chain"),
    }
    assert stat.S_IMODE((results / TABLE).stat().st_mode) == 0o600


def test_every_row_says_what_its_line_says_to_the_last_digit(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions_table, "_ROWS", 4)  # several row groups

    write_table(results)

    lines = [json.loads(line) for line in (results / DECISIONS).read_text().splitlines()]
    rows = pq.read_table(results / TABLE).to_pylist()
    assert len(rows) == len(lines) > 8
    assert pq.read_metadata(results / TABLE).num_row_groups == -(-len(lines) // 4)
    for row, line in zip(rows, lines, strict=True):
        assert_alike(row, line)
    assert any(row["offer_apr"] is not None for row in rows)


def assert_alike(row: dict[str, Any], line: dict[str, Any]) -> None:
    for name in ("line", "application_id", "status", "chain"):
        assert row[name] == line[name]
    if line["status"] != "decided":
        assert (row["content"], row["outcome"], row["gate"]) == (None, None, line["gate"])
        return
    content = line["content"]
    assert json.loads(row["content"]) == content
    assert hashlib.sha256(row["content"].encode()).hexdigest() == row["content_sha256"]
    assert row["reasons"] == content["principal_reasons"]
    assert row["pd"] == (content["pd"] and Decimal(content["pd"]))
    assert row["decided_at"] == datetime.fromisoformat(line["decided_at"]).astimezone(UTC)
    if content["offer"]:
        offer = content["offer"]
        for name in ("amount", "payment", "finance_charge", "rate", "apr"):
            assert row[f"offer_{name}"] == Decimal(offer[name])
        assert row["offer_expires_on"] == date.fromisoformat(offer["expires_on"])
        assert row["offer_term_months"] == offer["term_months"]


def test_a_batch_without_decisions_has_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / DECISIONS).write_bytes(b"")

    write_table(tmp_path)

    assert pq.read_table(tmp_path / TABLE).num_rows == 0


def test_without_the_extra_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from flows.portfolio.decisions_table import write_table\n"
        "try: write_table(Path(sys.argv[1]))\n"
        "except ImportError as error: sys.exit(str(error))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert "pip install 'credit-desk-lite[parquet]'" in done.stderr
