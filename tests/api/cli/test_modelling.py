"""`credit-desk synthesize` writes a portfolio and says what is in it, without a desk."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from api.cli import app
from api.cli.modelling import table_rows
from data.contracts.synthetic import PortfolioManifest
from tools.portfolio.reader import index_portfolio

RUNNER = CliRunner()


def run(*words: str) -> tuple[int, str, str]:
    done = RUNNER.invoke(app, ["synthesize", *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_table_names_every_branch_with_its_planned_and_its_real_share(tmp_path: Path) -> None:
    code, told, _ = run("--n", "50", "--seed", "3", "--out", str(tmp_path), "--bad-share", "0.1")

    lines = [line.split("\t") for line in told.splitlines()]
    assert code == 0
    assert ["approve", "approve", "18", "40.0%", "39.0%"] in lines
    assert ["too_large", "rejected, too_large", "1", "", ""] in lines
    assert sum(int(line[2]) for line in lines[:-1]) == 50
    assert lines[-1][0].startswith(f"{tmp_path}: 50 rows as of 2026-11-02, sha256 ")


def test_json_is_the_manifest_and_the_file_is_the_portfolio(tmp_path: Path) -> None:
    code, told, _ = run("--n", "20", "--out", str(tmp_path), "--as-of", "2026-12-01", "--json")

    manifest = PortfolioManifest.model_validate(json.loads(told))
    index = index_portfolio(tmp_path / "applications.jsonl")
    assert code == 0
    assert str(manifest.as_of) == "2026-12-01"
    assert (index.sha256, index.rows) == (manifest.sha256, 20)
    assert len(table_rows(manifest)) == len(manifest.branches)


def test_a_portfolio_that_is_there_is_bad_input(tmp_path: Path) -> None:
    assert run("--n", "1", "--out", str(tmp_path))[0] == 0

    code, told, errors = run("--n", "1", "--out", str(tmp_path))

    assert (code, told) == (2, "")
    assert "applications.jsonl is there already" in errors


def test_a_share_or_a_day_that_is_none_is_bad_input(tmp_path: Path) -> None:
    for words in (("--bad-share", "1.5"), ("--as-of", "2026-02-30"), ("--n", "0")):
        code, _, errors = run("--out", str(tmp_path), "--n", "1", *words)
        assert code == 2
        assert words[0] in errors
