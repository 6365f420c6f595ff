"""Bundles and a shadow canary on the real desk, from the command line to the decision."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from data.contracts.base import sha256_of
from data.contracts.decision import Outcome
from tests.command_line import credit_desk
from tests.desk import Desk
from tests.otlp import Receiver, SeenSpan
from tests.tools.test_evaluation_terms import evaluation

IDS = tuple(f"shadowed-{letter}" for letter in "abcdef")


async def told(desk: Desk, *arguments: str) -> Any:
    """The JSON that a command prints."""
    code, printed, errors = await credit_desk(desk, *arguments, "--json")
    assert code == 0, errors
    return json.loads(printed)


async def measured(desk: Desk, canary_id: str) -> dict[str, Any]:
    """The report once every case of the share is measured."""
    for _ in range(60):
        report: dict[str, Any] = await told(desk, "canary", "report", canary_id)
        if not report["waiting"] and report["cases"]["challenger"]:
            return report
        await asyncio.sleep(1)
    raise AssertionError(f"no case was measured: {report['cases']}")


async def test_a_bundle_decides_under_its_name_and_a_shadow_of_it_decides_nothing(
    desk: Desk, otlp: Receiver, tmp_path: Path
) -> None:
    made = await told(desk, "bundle", "create", "desk-autumn", "--reviewer", "Olga")
    assert made["created_by"] == "Olga"
    assert "desk-autumn" in [one["name"] for one in (await told(desk, "bundle", "list"))["items"]]
    named = await desk.start("ada-prime", **{"as": "by-a-bundle", "bundle": "desk-autumn"})
    assert (await named.decision()).versions.bundle == "desk-autumn"
    assert (await named.summary()).versions["bundle"] == "desk-autumn"

    started = await told(
        desk,
        *("canary", "start", "--challenger", "desk-autumn", "--share", "0.5"),
        *("--guard", "error_rate<=0.05", "--min-cases", "2", "--reviewer", "Olga"),
        *("--fallbacks", "0.1", "--agreement", "0.95", "--cost-per-case", "0.001"),
    )
    canary_id = started["canary_id"]
    runs = [await desk.start("ada-prime", **{"as": name}) for name in IDS]
    decisions = [await run.decision() for run in runs]
    report = await measured(desk, canary_id)

    assert {decision.outcome for decision in decisions} == {Outcome.APPROVE}
    assert {decision.versions.bundle for decision in decisions} == {None}
    arms = [(await run.summary()).versions.get("arm") for run in runs]
    assert report["cases"]["challenger"] == arms.count("shadow") > 0
    rates = next(one for one in report["comparisons"] if one["metric"] == "approval_rate")
    assert (rates["champion"]["value"], rates["challenger"]["value"]) == (1.0, 1.0)
    assert "evaluation: no report of `credit-desk evaluate`" in report["missing"]
    file = tmp_path / "evaluation.json"
    file.write_text(evaluation().model_dump_json())
    given = await told(desk, "canary", "evaluation", canary_id, str(file), "--reviewer", "Olga")
    assert given["evaluation"]["sha256"] == sha256_of(evaluation())
    assert "evaluation: cost per case is 0.005, at most 0.001" in given["missing"]
    code, _, errors = await credit_desk(desk, "canary", "promote", canary_id, "--reviewer", "Pia")
    assert code == 1
    assert "approvals: 0 of 2 people" in errors
    code, _, errors = await credit_desk(desk, "canary", "stop", "zz", "--reviewer", "Pia")
    assert (code, "`credit-desk canary report`" in errors) == (2, True)
    stopped = await told(desk, "canary", "stop", canary_id[:8], "--reviewer", "Pia")
    assert (stopped["status"], stopped["acts"][-1]["by"]) == ("stopped", "Pia")
    (span,) = await evaluations(otlp, canary_id, "POST /canaries/{canary_id}/stop")
    names = [event["gen_ai.evaluation.name"] for _, event in span.events]
    assert {name for name, _ in span.events} == {"gen_ai.evaluation.result"}
    assert "approval_rate" in names
    guarded = next(e for _, e in span.events if e["gen_ai.evaluation.name"] == "error_rate")
    assert guarded["gen_ai.evaluation.score.label"] in {"met", "unclear"}


async def evaluations(otlp: Receiver, canary_id: str, request: str) -> list[SeenSpan]:
    """The evaluations of a canary that belong to a request of this name."""
    for _ in range(30):
        requests = {span.span_id for span in otlp.spans if span.name == request}
        found = [
            span
            for span in otlp.spans
            if span.name == "evaluate"
            and span.attributes["desk.canary"] == canary_id
            and span.parent_id in requests
        ]
        if found:
            return found
        await asyncio.sleep(0.5)
    raise AssertionError("no evaluation was sent")
