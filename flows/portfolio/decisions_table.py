"""The decisions of a batch as a table: `decisions.parquet` beside `decisions.jsonl`.

It needs the extra `parquet`. Amounts and rates are decimals of the precision that their contracts
have, so nothing is rounded. `content` is the canonical JSON of the decision: its SHA-256 is
`content_sha256`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from data.contracts.base import canonical_json
from data.contracts.errors import ExtraMissingError
from flows.portfolio.files import DECISIONS
from flows.runtime.host.private_file import private_file

TABLE = "decisions.parquet"

_ROWS = 5_000
"""Rows of a row group: so many are in memory at a time."""

_OFFER_MONEY = (
    *("amount", "payment", "final_payment"),
    *("fee", "finance_charge", "total_of_payments"),
)
_OFFER_RATES = ("rate", "apr")
_RATES = ("pd", "dti_after")
_OF_LINE = (
    *("application_id", "status", "outcome", "recommendation", "gate"),
    *("batch_id", "run_id", "decision_id", "content_sha256", "chain"),
)
_ALWAYS = ("line", "application_id", "status", "chain")


def require_installed() -> None:
    """Raise ExtraMissingError, with the install line, without the extra."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ExtraMissingError("parquet", "decisions as Parquet") from None


def write_table(folder: Path) -> None:
    """Write the table of the decisions that lie in a folder; an earlier one is replaced.

    Raises ExtraMissingError without pyarrow.
    """
    require_installed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = table_schema()
    with (folder / DECISIONS).open("rb") as lines, private_file(folder / TABLE) as file:
        rows = (_row(json.loads(line)) for line in lines)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for portion in _portions(rows):
                writer.write_table(pa.Table.from_pylist(portion, schema=schema))


def table_schema() -> Any:
    """The columns and their types. A column is null where the decision has no such part."""
    import pyarrow as pa

    text, money, rate = pa.string(), pa.decimal128(12, 2), pa.decimal128(12, 6)
    columns = {
        "line": pa.int64(),
        **dict.fromkeys(_OF_LINE, text),
        "grade": text,
        **dict.fromkeys(_RATES, rate),
        "reasons": pa.list_(text),
        **{f"offer_{name}": money for name in _OFFER_MONEY},
        **{f"offer_{name}": rate for name in _OFFER_RATES},
        "offer_term_months": pa.int32(),
        "offer_expires_on": pa.date32(),
        "decided_at": pa.timestamp("us", tz="UTC"),
        "error_code": text,
        "content": text,
    }
    return pa.schema(
        [pa.field(name, kind, nullable=name not in _ALWAYS) for name, kind in columns.items()]
    )


def _row(line: dict[str, Any]) -> dict[str, Any]:
    content = line.get("content") or {}
    offer = content.get("offer") or {}
    decided_at, expires = line.get("decided_at"), offer.get("expires_on")
    return {
        "line": line["line"],
        **{name: line.get(name) or None for name in _OF_LINE},
        "grade": content.get("grade"),
        **{name: _exact(content.get(name)) for name in _RATES},
        "reasons": content.get("principal_reasons"),
        **{f"offer_{name}": _exact(offer.get(name)) for name in (*_OFFER_MONEY, *_OFFER_RATES)},
        "offer_term_months": offer.get("term_months"),
        "offer_expires_on": date.fromisoformat(expires) if expires else None,
        "decided_at": datetime.fromisoformat(decided_at) if decided_at else None,
        "error_code": (line.get("error") or {}).get("code"),
        "content": canonical_json(content).decode() if content else None,
    }


def _exact(written: str | None) -> Decimal | None:
    return None if written is None else Decimal(written)


def _portions(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(rows)
    while portion := list(islice(left, _ROWS)):
        yield portion
