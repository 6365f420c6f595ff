"""Letters as they were sent: no later change of the lender's details changes one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.contracts.application import ApplicantRole
from data.contracts.base import sha256_of
from data.contracts.errors import RecordNotFoundError
from data.settings import settings
from flows.runtime.ledger import decisions, runs
from flows.runtime.ledger.database import Ledger
from flows.service import sent
from tests.flows.inline import Says, Silence, Underwritten, persona, underwritten

DECLINES = Says("underwriter", "decline", more={"reason_code": "R09"})
WITHDRAWS = Says("documents", "withdraw")


async def decided(ledger: Ledger, done: Underwritten, *, with_letters: bool = True) -> None:
    """Enter a decision with its letters, as the run of a desk does."""
    name = done.run.run_id
    await ledger.write(runs.register, "run-1", "application:a", application_id=name)
    written = done.record.letters() if with_letters else ()
    await ledger.write(decisions.enter, "run-1", done.content, written)


def moved_lender(folder: Path) -> Path:
    """A data folder whose lender has another name than when the letters were sent."""
    place = folder / "policy" / "notices.yaml"
    place.parent.mkdir()
    shutil.copy(settings().data_dir / "policy" / "notices.yaml", place)
    place.write_text(place.read_text().replace("Credit Desk Lite Lending", "Another Name"))
    return folder


async def test_a_letter_stays_as_it_was_sent_when_the_lender_moves(
    ledger: Ledger, tmp_path: Path
) -> None:
    await decided(ledger, await underwritten(persona("jo-kit-joint"), DECLINES))
    folder = moved_lender(tmp_path)

    for applicant, score in ((ApplicantRole.PRIMARY, "785"), (ApplicantRole.CO, "604")):
        letter = await ledger.read(sent.notice, folder, "run-1", applicant)
        assert "Credit Desk Lite Lending" in letter.text
        assert f"was {score} on" in letter.text
        assert letter.sent_at is not None


async def test_the_record_of_a_decision_has_each_letter_with_its_clock_and_digest(
    ledger: Ledger,
) -> None:
    await decided(ledger, await underwritten(persona("jo-kit-joint"), DECLINES))

    decision_id = (await ledger.read(decisions.find, "run-1"))["decision_id"]
    entries = await ledger.read(sent.entries, decision_id)

    assert [entry["applicant"] for entry in entries] == ["primary", "co"]
    for entry in entries:
        applicant = ApplicantRole(entry["applicant"])
        letter = await ledger.read(sent.notice, settings().data_dir, "run-1", applicant)
        content = letter.model_dump(mode="json", exclude={"sent_at", "sha256"})
        assert entry["sha256"] == letter.sha256 == sha256_of(content)
        assert entry["due_by"] == "2026-12-02"
        assert entry["kind"] == "adverse_action"


async def test_a_decision_that_is_older_than_the_store_still_has_a_letter(
    ledger: Ledger, tmp_path: Path
) -> None:
    done = await underwritten(persona("dee-debtor"))
    await decided(ledger, done, with_letters=False)

    letter = await ledger.read(sent.notice, moved_lender(tmp_path), "run-1", ApplicantRole.PRIMARY)

    assert letter.sent_at is None
    assert "Another Name" in letter.text


@pytest.mark.parametrize(
    ("name", "step", "applicant"),
    [
        ("max-missing", WITHDRAWS, ApplicantRole.PRIMARY),
        ("max-missing", Silence("documents"), ApplicantRole.CO),
    ],
)
async def test_where_no_letter_is_due_there_is_none(
    ledger: Ledger, name: str, step: Says | Silence, applicant: ApplicantRole
) -> None:
    await decided(ledger, await underwritten(persona(name), step))

    with pytest.raises(RecordNotFoundError, match="no letter is due"):
        await ledger.read(sent.notice, settings().data_dir, "run-1", applicant)
