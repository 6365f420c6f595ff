"""Housekeeping from the command line: its output, and a desk that is down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api.cli.housekeeping import report_lines
from flows.runtime.ledger.database import Ledger
from tests.desk import ROOT

PURGED = {
    "run_id": "run-1",
    "label": "intake",
    "version": 2,
    "storage_key": "checkpoints/run-1/intake/v2-1.json",
    "sha256": "a" * 64,
    "bytes": 12345,
    "because": "age",
}


def report(*, dry_run: bool = False, **parts: Any) -> dict[str, Any]:
    storage = {"purged": [PURGED], "kept": [], "swept": ["checkpoints/x"], "freed_bytes": 12345}
    audit = {"missing": [], "unindexed": [], "listed": True}
    return {
        "dry_run": dry_run,
        "reminded": 1,
        "escalated": 2,
        "expired": 3,
        "erased": parts.get("erased", 0),
        "records": parts.get("records", []),
        "uploads": parts.get("uploads", 0),
        "model_answers": parts.get("model_answers", 0),
        "storage": storage | parts.get("storage", {}),
        "audit": audit | parts.get("audit", {}),
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "housekeeping", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_round_says_how_many_answers_of_chat_models_went() -> None:
    said = "Answers of chat models removed: 3"
    assert said in report_lines(report(model_answers=3))
    assert said not in report_lines(report())


def test_a_round_says_what_went_and_what_was_due() -> None:
    assert report_lines(report()) == [
        "run-1/intake/2  purged (age, 12,345 bytes)",
        "Checkpoints purged: 1 (12,345 bytes); bodies swept: 1",
        "Requests reminded of: 1; passed on: 2; expired: 3",
        "Index and storage agree",
    ]


def test_a_dry_run_says_what_would_go() -> None:
    assert report_lines(report(dry_run=True)) == [
        "run-1/intake/2  would be purged (age, 12,345 bytes)",
        "Checkpoints would be purged: 1 (12,345 bytes); bodies would be swept: 1",
        "Index and storage agree",
    ]


@pytest.mark.parametrize(
    ("audit", "line"),
    [
        ({"listed": False}, "The storage cannot be listed"),
        ({"missing": ["a"]}, "Index and storage differ: 1 bodies are missing, 0 belong"),
        ({"unindexed": ["a", "b"]}, "Index and storage differ: 0 bodies are missing, 2 belong"),
    ],
)
def test_a_disagreement_is_said(audit: dict[str, Any], line: str) -> None:
    assert report_lines(report(audit=audit))[-1].startswith(line)


def test_what_the_storage_cannot_delete_is_said_to_be_kept() -> None:
    lines = report_lines(report(storage={"purged": [], "freed_bytes": 0, "kept": ["a", "b"]}))

    assert "Kept, because the storage cannot delete: 2" in lines


@pytest.mark.parametrize(("dry_run", "was"), [(False, "was"), (True, "would be")])
def test_erased_applications_are_counted(dry_run: bool, was: str) -> None:
    lines = report_lines(report(dry_run=dry_run, erased=2))

    assert f"Applications whose personal data {was} erased: 2" in lines


def test_each_class_of_records_is_named_with_its_rule() -> None:
    match = {
        "record": "watchlist_match",
        "label": "A match",
        "months": 120,
        "citation": "31 CFR 501.601",
        "due": 2,
        "kept": 5,
    }

    lines = report_lines(report(dry_run=True, records=[match]))

    assert "A match: 2 due, 5 kept for longer by it (120 months: 31 CFR 501.601)" in lines


def test_the_storage_of_a_closed_desk_is_tidied_without_prefect(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Ledger(f"sqlite:///{home / 'ledger.db'}") as ledger:
        ledger.migrate()

    ended = run("--home", str(home), "--json")

    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["storage"]["purged"], told["audit"]["listed"]) == ([], True)


def test_a_folder_without_a_desk_is_named(tmp_path: Path) -> None:
    ended = run("--home", str(tmp_path / "nowhere"), "--dry-run")

    assert ended.returncode == 1
    assert "there is no desk in" in ended.stderr
    assert not (tmp_path / "nowhere").exists()
