"""The audit pack of a real run: exported, proven offline, and caught when it was altered."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from data.contracts.base import canonical_json
from data.contracts.events import EventType
from data.settings import Settings
from flows.runtime.audit.key import public_text, signing_key
from flows.runtime.audit.pack import verify
from tests.desk import Desk, StartedRun
from tools.case_files import load_case


async def credit_desk(*arguments: str) -> Any:
    """The outcome of one command line, beside the event loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


@pytest.fixture(scope="module")
async def adjusted(desk: Desk) -> StartedRun:
    """A referred case whose amount an underwriter has lowered."""
    run = await desk.start("bora-borderline")
    await run.until(EventType.WAITING)
    accepted = await run.answer(
        decision="adjust", amount=9000.0, reviewer="u-7", reason="lower is safer"
    )
    assert accepted.status_code == 202, accepted.text
    await run.decision()
    return run


@pytest.fixture(scope="module")
async def pack(desk: Desk, adjusted: StartedRun) -> dict[str, Any]:
    answer = await desk.http.get(f"{adjusted.url}/audit")
    assert answer.status_code == 200
    assert verify(answer.content, signing_key(desk.home).public_key()).run_id == adjusted.run_id
    found: dict[str, Any] = answer.json()
    return found


async def test_the_journal_in_the_pack_is_the_one_that_clients_saw(
    adjusted: StartedRun, pack: dict[str, Any]
) -> None:
    seen = [event.model_dump(mode="json") for event in await adjusted.events()]

    assert [entry["event"] for entry in pack["journal"]] == seen


async def test_the_pack_holds_what_the_decision_rests_on(
    adjusted: StartedRun, pack: dict[str, Any]
) -> None:
    decision = await adjusted.decision()
    case = load_case(Settings().data_dir, "bora-borderline")

    assert pack["decision"]["content_sha256"] == decision.content_sha256
    assert pack["run"]["inputs"]["sha256"] == case.inputs_sha256() == decision.inputs_sha256
    assert pack["decision"]["content"]["versions"] == decision.versions.model_dump(mode="json")
    assert {"verification", "policy", "risk_ensemble", "pricing"} <= set(pack["findings"])
    assert pack["findings"]["policy"]["results"]
    assert "decision" in {entry["label"] for entry in pack["checkpoints"]}
    assert all(len(entry["sha256"]) == 64 for entry in pack["checkpoints"])


def test_the_pack_says_who_changed_what(pack: dict[str, Any]) -> None:
    [review] = pack["reviews"]

    assert review["answered_by"]["reviewer"] == "u-7"
    assert review["answered_by"]["roles"][0] == "underwriter"
    assert (review["answered_by"]["channel"], review["answered_by"]["proven"]) == ("http", False)
    assert review["changed"]["amount"] == {"before": "12000.00", "after": 9000.0}
    assert review["answer"]["reason"] == "lower is safer"


def test_the_journal_names_who_resolved_a_gate_and_what_it_changed(pack: dict[str, Any]) -> None:
    [resolved] = [
        entry["event"]["meta"]
        for entry in pack["journal"]
        if entry["event"]["type"] == "hitl.resolved"
    ]

    assert (resolved["reviewer"], resolved["role"]) == ("u-7", "underwriter")
    assert resolved["changed"]["amount"] == {"before": "12000.00", "after": 9000.0}


async def test_the_commands_export_a_pack_and_prove_it(
    desk: Desk, adjusted: StartedRun, tmp_path: Path
) -> None:
    out, key = tmp_path / "pack.json", tmp_path / "public"

    exported = await credit_desk(
        "audit", "export", adjusted.run_id, "--out", str(out), "--api", desk.api_url
    )
    printed = await credit_desk("audit", "key", "--home", str(desk.home))
    key.write_text(printed.stdout)
    by_file = await credit_desk("audit", "verify", str(out), "--key", str(key))
    by_text = await credit_desk(
        "audit", "verify", str(out), "--key", printed.stdout.strip(), "--json"
    )

    assert (exported.exit_code, by_file.exit_code) == (0, 0)
    assert adjusted.run_id in by_file.stdout
    assert json.loads(by_text.stdout)["valid"] is True
    assert printed.stdout.strip() == public_text(signing_key(desk.home))


async def test_the_command_names_the_entry_that_was_altered(
    desk: Desk, pack: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "pack.json"
    entry = next(entry for entry in pack["journal"] if entry["event"]["type"] == "hitl.resolved")
    number = entry["event"]["id"]
    altered = json.loads(json.dumps(pack))
    altered["journal"][number - 1]["event"]["meta"]["reviewer"] = "somebody else"
    out.write_bytes(canonical_json(altered))
    public = public_text(signing_key(desk.home))

    plain = await credit_desk("audit", "verify", str(out), "--key", public)
    for_machines = await credit_desk("audit", "verify", str(out), "--key", public, "--json")

    assert (plain.exit_code, for_machines.exit_code) == (1, 1)
    assert f"journal entry {number} was altered" in plain.stderr
    assert json.loads(for_machines.stdout)["entry"] == number


async def test_another_desk_s_key_proves_nothing(pack: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "pack.json"
    out.write_bytes(canonical_json(pack))

    outcome = await credit_desk(
        "audit", "verify", str(out), "--key", public_text(signing_key(tmp_path / "other"))
    )

    assert outcome.exit_code == 1
    assert "another desk's key" in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [("verify", "missing.json", "--key", "A" * 43 + "="), ("verify", "missing.json", "--key", "x")],
)
async def test_what_is_no_file_and_no_key_is_bad_input(arguments: tuple[str, ...]) -> None:
    outcome = await credit_desk("audit", *arguments)

    assert outcome.exit_code == 2
    assert "Traceback" not in outcome.stderr


async def test_an_unknown_run_has_no_pack(desk: Desk) -> None:
    answer = await desk.http.get("/runs/8b0e6f0c-2f1d-4a55-9d0a-0d6f1f1b2c3d/audit")

    assert (answer.status_code, answer.json()["code"]) == (404, "record_not_found")
