"""A portfolio is indexed, and every chunk of it is read by itself."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.contracts.errors import (
    ContractViolationError,
    RecordCorruptError,
    RecordNotFoundError,
)
from data.contracts.portfolio import (
    MOST_PROBLEMS,
    PortfolioFormat,
    PortfolioIndex,
    RejectedRow,
)
from data.synthetic import personas
from tests.tools.portfolio.portfolios import ADA, BEN, CASES, bundle, lines_of, read, row, told
from tools.portfolio import reader
from tools.portfolio.jsonl import JsonLines
from tools.portfolio.reader import index_portfolio, read_chunk
from tools.portfolio.records import Record


def numbered(count: int) -> list[bytes]:
    return [row(ADA, f"a-{number}") for number in range(count)]


def test_every_persona_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = read(lines_of(tmp_path, *map(row, CASES)))

    assert [getattr(each, "case", each) for each in found] == list(CASES)


def test_the_index_says_what_the_file_is_and_where_each_chunk_begins(tmp_path: Path) -> None:
    lines = numbered(5)
    path = lines_of(tmp_path, *lines)

    index = index_portfolio(path, chunk_rows=2)

    assert index.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (index.rows, index.size_bytes) == (5, path.stat().st_size)
    sizes = [len(line) + 1 for line in lines]
    assert [(chunk.offset, chunk.first_row, chunk.rows) for chunk in index.chunks] == [
        (0, 1, 2),
        (sum(sizes[:2]), 3, 2),
        (sum(sizes[:4]), 5, 1),
    ]


def test_a_chunk_is_read_without_the_others(tmp_path: Path) -> None:
    path = lines_of(tmp_path, *numbered(5))
    chunk = index_portfolio(path, chunk_rows=2).chunks[1]

    assert told(list(read_chunk(path, chunk))) == [(3, "a-2"), (4, "a-3")]


def test_an_index_survives_as_json(tmp_path: Path) -> None:
    index = index_portfolio(lines_of(tmp_path, *numbered(3), row(ADA, "a-0")), chunk_rows=2)

    assert PortfolioIndex.model_validate_json(index.model_dump_json()) == index


def test_an_empty_portfolio_has_no_chunks(tmp_path: Path) -> None:
    index = index_portfolio(lines_of(tmp_path, b"", b"  "))

    assert (index.rows, index.chunks) == (0, ())


def test_the_first_row_with_an_id_counts_even_in_another_chunk(tmp_path: Path) -> None:
    path = lines_of(tmp_path, row(ADA, "a"), row(BEN, "b"), b"", row(BEN, "a"), row(ADA, "c"))

    assert told(read(path, chunk_rows=2)) == [
        (1, "a"),
        (2, "b"),
        (4, "/application/application_id duplicate_application"),
        (5, "c"),
    ]


def test_a_bare_application_and_a_persona_file_are_rows_too(tmp_path: Path) -> None:
    bare = bundle(BEN)["application"]
    bare["amount_requested"] = "-1"
    path = lines_of(
        tmp_path,
        ADA.application.model_dump_json().encode(),
        personas.erin_expired().model_dump_json().encode(),
        json.dumps(bare).encode(),
    )

    assert told(read(path)) == [
        (1, "ada-prime"),
        (2, "erin-expired"),
        (3, "/amount_requested greater_than"),
    ]


def test_a_row_names_at_most_twenty_problems(tmp_path: Path) -> None:
    value = bundle()
    value["documents"][0] |= {f"unknown_{number}": 1 for number in range(100)}
    (found,) = read(lines_of(tmp_path, json.dumps(value).encode()))

    assert isinstance(found, RejectedRow)
    assert len(found.problems) == MOST_PROBLEMS


def test_a_portfolio_that_shrank_since_it_was_indexed_is_not_read_to_the_end(
    tmp_path: Path,
) -> None:
    path = lines_of(tmp_path, *numbered(3))
    (chunk,) = index_portfolio(path).chunks
    lines_of(tmp_path, *numbered(2))

    with pytest.raises(RecordCorruptError, match="index it again"):
        list(read_chunk(path, chunk))


@pytest.mark.parametrize("written", ["again", "replaced"])
def test_a_portfolio_that_is_written_to_while_it_is_indexed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    path = lines_of(tmp_path, *numbered(3))

    class Written(JsonLines):
        def outlines(self) -> Iterator[tuple[Record[bytes], object]]:
            yield from super().outlines()
            if written == "again":
                path.write_bytes(path.read_bytes() + row(BEN, "b"))
            else:
                Path(shutil.copy(path, tmp_path / "copy")).replace(path)

    monkeypatch.setitem(reader._SOURCES, PortfolioFormat.JSONL, Written)

    with pytest.raises(RecordCorruptError, match="while it was indexed"):
        index_portfolio(path)


@pytest.mark.parametrize("name", ["applications.xlsx", "applications"])
def test_another_kind_of_file_is_refused_with_the_endings_that_are_known(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ContractViolationError, match=r"\.jsonl, \.csv, \.parquet") as refused:
        index_portfolio(lines_of(tmp_path, row(), name=name))

    assert refused.value.problems[0].code == "unknown_format"


def test_a_missing_portfolio_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordNotFoundError, match=r"applications\.jsonl"):
        index_portfolio(tmp_path / "applications.jsonl")
