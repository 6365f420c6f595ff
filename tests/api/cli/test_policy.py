"""`credit-desk policy`: refusals with file, rule and field, and what the rules say."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from data.settings import Settings
from tests.api.desks import RUN_ID, FakeDesk
from tests.flows.inline import persona, underwritten
from tools.policy import load_policy, pack_sha256

DATA = Settings().data_dir


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["policy", *words])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the shipped policies, models, and files of chat models."""
    for folder in ("policy", "models", "chat"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_shipped_files_are_sound(data: Path) -> None:
    done = run("check", str(data))

    assert (done.exit_code, done.stderr) == (0, "")
    assert f"personal-loan.yaml\tpolicy\t{load_policy(DATA).version}\t0\n" in done.stdout
    assert "scorecard-v1.json\tscorecard\t1.0.0\t0\n" in done.stdout
    assert "challenger-v2.json\tchallenger\t2.0.0\t0\n" in done.stdout
    assert "chat/prices.yaml\tmodel prices\t2026-11-01\t0\n" in done.stdout
    assert "chat/prompts.yaml\tprompts\t1\t0\n" in done.stdout
    assert "unknown" not in done.stdout


@pytest.mark.parametrize("place", ["", "policy"], ids=["data folder", "policy folder"])
def test_a_gap_is_refused_with_file_rule_and_field(data: Path, place: str) -> None:
    pack = data / "policy" / "personal-loan.yaml"
    replace(pack, "{fact: pd, op: le, value: 0.12}", "{fact: pd, op: le, value: 0.10}")

    done = run("check", str(data / place))

    assert done.exit_code == 2
    assert done.stderr == (
        "credit-desk: personal-loan.yaml: pd-elevated: pd: gap: no rule covers 0.100001 to 0.12\n"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "where"),
    [
        (
            "models/scorecard-v1.json",
            '"name": "trades_open"',
            '"name": "sex"',
            ("sex", "name"),
        ),
        ("policy/prices.yaml", "ungraded_as: E", "ungraded_as: Z", ("", "ungraded_as")),
        ("policy/prices.yaml", "\nfloor:", "\ncosts:", ("", "costs")),
        ("policy/authority.yaml", "unproven: 15000.00", "unproven: [", ("", "")),
        ("policy/deadlines.yaml", "\n    compliance:", "\n    viewer:", ("", "")),
        (
            "policy/screening.yaml",
            "clearance_days: 180",
            "clearance_days: 0",
            ("", "clearance_days"),
        ),
        ("policy/screening.yaml", "max_list_age_days: 7", "max_age: 7", ("", "")),
        (
            "policy/personal-loan.yaml",
            "    owner: legal\n",
            "",
            ("below-legal-age", "owner"),
        ),
        ("chat/prices.yaml", 'output: "1.60"', 'output: "-1"', ("", "models/gpt-4.1-mini/output")),
        ("chat/prices.yaml", "currency: USD", "currency: EUR", ("", "currency")),
        ("chat/prompts.yaml", "\n  kyc:", "\n  kyk:", ("", "agents/kyk/[key]")),
        ("chat/prompts.yaml", "prompts: credit-desk", "prompts: 1", ("", "prompts")),
    ],
)
def test_json_names_every_problem(
    data: Path, file: str, old: str, new: str, where: tuple[str, str]
) -> None:
    replace(data / file, old, new)

    done = run("check", str(data), "--json")

    told = json.loads(done.stdout)
    refused = {found["file"]: found["problems"] for found in told["files"] if found["problems"]}
    assert (done.exit_code, told["ok"]) == (2, False)
    name = file.removeprefix("policy/").removeprefix("models/")
    assert list(refused) == [name]
    assert [(found["rule"], found["field"]) for found in refused[name]] == [where]


def test_a_folder_without_a_policy_is_refused(tmp_path: Path) -> None:
    done = run("check", str(tmp_path))

    assert done.exit_code == 2
    assert "no rule pack" in done.stderr


def test_show_prints_the_rules_and_their_digest() -> None:
    pack = load_policy(DATA)

    lines = run("show").stdout.splitlines()
    told = json.loads(run("show", "--json").stdout)

    assert len(lines) == len(pack.rules) + 1
    row = next(line for line in lines if line.startswith("pd-elevated\t")).split("\t")
    assert row[1:5] == ["refer", "soft", "R17", "pd ≥ 0.06 and pd ≤ 0.12"]
    assert pack_sha256(pack) in lines[-1]
    assert (told["version"], told["sha256"]) == (pack.version, pack_sha256(pack))


def test_a_policy_that_is_not_there_is_a_failure() -> None:
    done = run("show", "nothing")

    assert done.exit_code == 1
    assert "there is no file nothing.yaml" in done.stderr


def test_explain_says_of_every_rule_what_it_said_and_why(desk: FakeDesk, url: str) -> None:
    judged = asyncio.run(underwritten(persona("dee-debtor"))).run.state
    desk.stored_state = judged.model_dump(mode="json")

    lines = run("explain", RUN_ID, "--api", url).stdout.splitlines()
    told = json.loads(run("explain", RUN_ID, "--api", url, "--json").stdout)

    assert judged.policy is not None
    rows = {line.split("\t")[0]: line.split("\t") for line in lines[:-1]}
    assert list(rows) == [result.rule_id for result in judged.policy.results]
    over = {result.rule_id: result for result in judged.policy.results}["dti-above-limit"]
    facts = f"dti_after={over.inputs['dti_after']}"
    assert rows["dti-above-limit"][1:] == ["hit", "decline", "R09", facts]
    pack = load_policy(DATA)
    assert lines[-1] == f"decline, by personal-loan {pack.version}, sha256 {pack_sha256(pack)}"
    assert told == desk.stored_state["policy"]


def test_a_run_that_the_policy_has_not_judged_is_a_failure(url: str) -> None:
    done = run("explain", RUN_ID, "--api", url)

    assert done.exit_code == 1
    assert "the policy has not judged" in done.stderr
