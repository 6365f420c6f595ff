"""A row may name files beside the portfolio, and no file anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from data.contracts.portfolio import PortfolioRow, RejectedRow
from tests.tools.portfolio.portfolios import ADA, BEN, bundle, lines_of, read, row, told
from tests.tools.portfolio.tables import flat, write_table
from tools.portfolio.row_files import MAX_DOCUMENT_BYTES

PARTS = ("application", "bureau_report", "fraud_signals")


def unpacked(folder: Path, value: dict[str, Any]) -> dict[str, Any]:
    """The row of a bundle whose parts and documents lie in files of their own."""
    (folder / "ada").mkdir()
    named = dict(value)
    for part in PARTS:
        (folder / "ada" / f"{part}.json").write_text(json.dumps(value[part]))
        named[part] = f"ada/{part}.json"
    named["documents"] = []
    for document in value["documents"]:
        path = f"ada/{document['document_id']}.json"
        (folder / path).write_bytes(base64.b64decode(document["content_base64"]))
        left_out = {"content_base64", "size_bytes", "sha256"}
        described = {name: part for name, part in document.items() if name not in left_out}
        named["documents"].append(described | {"path": path})
    return {name: part for name, part in named.items() if part is not None}


def first(folder: Path, value: object) -> PortfolioRow | RejectedRow:
    found, after = read(lines_of(folder, json.dumps(value).encode(), row(BEN, "after")))
    assert isinstance(after, PortfolioRow)
    return found


def test_a_row_of_paths_is_the_case_that_the_files_hold(tmp_path: Path) -> None:
    found = first(tmp_path, unpacked(tmp_path, bundle()))

    assert isinstance(found, PortfolioRow)
    assert found.case == ADA


def test_a_row_of_csv_may_name_files_too(tmp_path: Path) -> None:
    value = flat(unpacked(tmp_path, bundle()))
    write_table(tmp_path / "applications.csv", [value])

    (found,) = read(tmp_path / "applications.csv")

    assert isinstance(found, PortfolioRow)
    assert found.case == ADA


def test_a_row_may_be_the_path_of_a_whole_bundle(tmp_path: Path) -> None:
    (tmp_path / "ada.json").write_bytes(row(ADA))

    found = read(lines_of(tmp_path, b'"ada.json"', b'"ada.json"'))

    assert told(found) == [
        (1, "ada-prime"),
        (2, "/application/application_id duplicate_application"),
    ]


def test_a_document_keeps_the_digest_that_the_row_gives(tmp_path: Path) -> None:
    value = unpacked(tmp_path, bundle())
    value["documents"][0]["sha256"] = "0" * 64

    found = first(tmp_path, value)

    assert isinstance(found, PortfolioRow)
    assert found.case.documents[0].sha256 == "0" * 64
    content = base64.b64decode(found.case.documents[1].content_base64)
    assert found.case.documents[1].sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("../secret.json", id="path with .."),
        pytest.param("ada/../../secret.json", id=".. further on"),
        pytest.param("..\\secret.json", id="another system's separator"),
        pytest.param("link.json", id="symlink out of the folder"),
        pytest.param("out/secret.json", id="symlink of a folder"),
    ],
)
def test_a_path_out_of_the_folder_is_refused_and_logged(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "portfolio"
    folder.mkdir()
    (tmp_path / "secret.json").write_bytes(row(ADA))
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "out").symlink_to(tmp_path)
    value = bundle() | {"bureau_report": path}

    with caplog.at_level(logging.WARNING):
        found = first(folder, value)

    assert isinstance(found, RejectedRow)
    assert [(problem.pointer, problem.code) for problem in found.problems] == [
        ("/bureau_report", "path_not_allowed")
    ]
    assert "security: line 1" in caplog.text
    assert path not in found.model_dump_json() + caplog.text


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "ada.json").write_bytes(row(ADA))
    (tmp_path / "link.json").symlink_to("ada.json")

    assert isinstance(first(tmp_path, "link.json"), PortfolioRow)


@pytest.mark.parametrize("kind", ["nothing", "folder", "pipe", "long name", "loop", "NUL"])
def test_a_path_without_a_file_is_an_error_of_its_row(tmp_path: Path, kind: str) -> None:
    name = {"long name": "x" * 300, "NUL": "\0.json"}.get(kind, "paper.json")
    if kind == "folder":
        (tmp_path / name).mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    if kind == "loop":
        (tmp_path / name).symlink_to(name)
    value = bundle()
    value["documents"][0]["path"] = name

    found = first(tmp_path, value)

    assert isinstance(found, RejectedRow)
    assert [(problem.pointer, problem.code) for problem in found.problems] == [
        ("/documents/0/path", "file_missing")
    ]


def test_a_file_that_is_too_large_or_not_json_is_an_error_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "large.pdf").write_bytes(b"x" * (MAX_DOCUMENT_BYTES + 1))
    (tmp_path / "torn.json").write_bytes(row(ADA)[:100])
    large = bundle(ADA, "large")
    large["documents"][0]["path"] = "large.pdf"
    torn = bundle(ADA, "torn") | {"fraud_signals": "torn.json"}

    found = read(lines_of(tmp_path, json.dumps(large).encode(), json.dumps(torn).encode()))

    assert told(found) == [
        (1, "/documents/0/path too_large"),
        (2, "/fraud_signals malformed_json"),
    ]
