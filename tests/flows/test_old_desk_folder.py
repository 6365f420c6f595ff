"""A desk folder of an earlier version: today's desk opens it, and every run in it goes on.

The archive holds `ledger.db` and `prefect/prefect.db` as commit cb69e8f left them when it was
stopped, with the open requests due in 2099 so that they do not expire. What that version answered
about them stands in the JSON file beside it.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from data.contracts.base import sha256_of
from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun, desk_in

FOLDER = Path(__file__).with_name("desk_folder_of_cb69e8f.tar.xz")
TOLD: dict[str, Any] = json.loads(FOLDER.with_name("desk_folder_of_cb69e8f.json").read_text())

ADA = "42b45474-fd04-49ed-ae90-c47d7a3056ed"
BORA = "8c037541-979e-454e-a390-d7e9c3d08ad2"
CONNIE = "e1938b08-1037-413e-9832-cf0319a22901"
CONNIES_FORK = "598d21f3-dbef-4442-a612-53cc1665f7bc"
ERIN = "666535fc-356d-4d63-8332-f283b0b617b5"
DECIDED = {
    ADA: "534f7c35bc27f42d83e5aca7e798050a64717dff0c3efc850b1a112865e06d02",
    CONNIE: "6f1cc312cf913ec83e0acc61df92abf6c0864f5cf2f7c4f96d4e3ab7d5d59a3a",
}
APPROVED_BORA = "628b7da5862628d67b0903ee1da726dee4bce853f78d966d8515efea34fa7a18"
LATER = {"consumers", "due_by"}
"""Parts of a decision that the old desk did not write."""
KEPT = ("label", "version", "ordinal", "sha256", "bytes")


@pytest.fixture(scope="module")
async def old_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """Today's desk on the old folder. The housekeeping that was scheduled there purges nothing."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(FOLDER) as archive:
        archive.extractall(folder / "home", filter="data")
    async with desk_in(folder, CREDIT_DESK_CHECKPOINT_RETENTION_DAYS="0") as running:
        yield running


def run_of(desk: Desk, run_id: str, application_id: str) -> StartedRun:
    return StartedRun(desk, run_id, application_id)


async def get(desk: Desk, path: str) -> Any:
    answer = await desk.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_run_of_the_folder_is_there_with_its_status(old_desk: Desk) -> None:
    expected = {
        ADA: RunStatus.COMPLETED,
        CONNIE: RunStatus.COMPLETED,
        CONNIES_FORK: RunStatus.COMPLETED,
        ERIN: RunStatus.WAITING,
    }

    found = {run_id: (await get(old_desk, f"/runs/{run_id}"))["status"] for run_id in expected}

    assert found == expected


async def test_an_old_run_is_mapped_to_the_flow_run_that_has_its_id(old_desk: Desk) -> None:
    assert await run_of(old_desk, ERIN, "erin-expired").flow_run_id() == ERIN


@pytest.mark.parametrize("run_id", DECIDED, ids=["ada", "connie"])
async def test_an_old_decision_is_read_with_its_digest(old_desk: Desk, run_id: str) -> None:
    assert (await get(old_desk, f"/runs/{run_id}/decision"))["content_sha256"] == DECIDED[run_id]


async def test_a_run_that_waited_is_answered_and_decided_as_the_old_desk_would_have_done(
    old_desk: Desk,
) -> None:
    bora = run_of(old_desk, BORA, "bora-borderline")

    answer = await bora.answer(decision="approve", reviewer="Una", reason="seen and considered")

    assert answer.status_code in {200, 202}, answer.text
    journal = await bora.events()
    assert journal[-1].type is EventType.RUN_COMPLETED
    assert [event.id for event in journal] == list(range(1, len(journal) + 1))
    decision = await get(old_desk, f"{bora.url}/decision")
    assert decision["content"]["outcome"] == "approve"
    same = {name: part for name, part in decision["content"].items() if name not in LATER}
    assert sha256_of(same) == APPROVED_BORA
    (letter,) = decision["notices"]
    assert (letter["kind"], letter["due_by"]) == ("approval", "2026-12-02")


async def test_an_old_decision_still_has_a_letter(old_desk: Desk) -> None:
    letter = await get(old_desk, f"/runs/{CONNIE}/notice")

    assert (letter["kind"], letter["sent_at"]) == ("counter_offer", None)
    assert "Meridian Credit Bureau" in letter["text"]


async def test_old_checkpoints_are_listed_with_their_digests(old_desk: Desk) -> None:
    listed = await get(old_desk, f"/runs/{CONNIE}/checkpoints")

    assert [{name: entry[name] for name in KEPT} for entry in listed] == (
        TOLD["checkpoints_of_connie"]
    )
    assert [entry["purged_at"] for entry in listed] == [None] * len(listed)


async def test_old_checkpoints_differ_in_what_they_differed_in(old_desk: Desk) -> None:
    compared = await get(old_desk, f"/runs/{CONNIE}/diff?from=risk&to=decision")

    assert compared == TOLD["diff_risk_to_decision"]


async def test_a_fork_of_an_old_run_goes_on_from_its_checkpoint_to_the_end(old_desk: Desk) -> None:
    asked = {"checkpoint": "verification", "overrides": {"amount_requested": "9000.00"}}
    answer = await old_desk.http.post(f"/runs/{CONNIE}/resume", json=asked)
    assert answer.status_code in {200, 202}, answer.text
    fork = run_of(old_desk, answer.json()["run_id"], "connie-counter")

    journal = await fork.events()

    assert fork.run_id not in {CONNIE, CONNIES_FORK}
    assert journal[-1].type is EventType.RUN_COMPLETED
    started = [event.phase for event in journal if event.type is EventType.STAGE_STARTED]
    assert started[0] == "bureau"
    summary = await fork.summary()
    assert summary.lineage is not None
    assert (summary.lineage.parent_run_id, summary.lineage.forked_at) == (CONNIE, "verification/1")
    assert summary.decision is not None
    before = (await run_of(old_desk, CONNIES_FORK, "connie-counter").summary()).decision
    assert before is not None
    assert summary.decision["offer"] == before["offer"]


async def test_a_run_that_was_not_answered_still_waits_for_the_same_request(
    old_desk: Desk,
) -> None:
    summary = await run_of(old_desk, ERIN, "erin-expired").summary()

    assert summary.status is RunStatus.WAITING
    assert summary.waiting_for is not None
    assert summary.waiting_for.gate == "documents"
    assert summary.waiting_for.due_at.year == 2099
