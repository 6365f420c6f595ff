"""The shipped deadlines, their overrides by settings, and files that the loader refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.contracts.errors import RecordCorruptError, RecordNotFoundError
from data.contracts.notices import NOTICE_DAYS
from data.contracts.review import Role
from data.settings import HitlOnTimeout, Settings
from flows.review_forms import GATES
from tools.deadlines import DeadlinePolicy, load_deadlines

DATA = Settings().data_dir
DAY = 24 * 3600


@pytest.fixture
def deadlines() -> DeadlinePolicy:
    return load_deadlines(DATA)


def written(
    folder: Path, gate: str = "underwriter", role: str = "underwriter", **entry: Any
) -> Path:
    """A deadlines file with one gate. Its entry is valid except for the given changes."""
    good = {"due_after": "P7D", "on_timeout": "expire"}
    plain = {"deadlines": "test", "version": "1", "gates": {gate: {role: good | entry}}}
    (folder / "policy").mkdir()
    (folder / "policy" / "deadlines.yaml").write_text(yaml.safe_dump(plain))
    return folder


def test_an_underwriter_has_a_week_and_a_senior_the_last_days_of_it(
    deadlines: DeadlinePolicy,
) -> None:
    found = deadlines.of("underwriter", Role.UNDERWRITER)

    assert found.timeout_seconds == 7 * DAY
    assert found.remind_after_seconds == 2 * DAY
    assert found.escalate_after_seconds == 4 * DAY
    assert found.escalate_to is Role.SENIOR_UNDERWRITER
    assert found.on_timeout is HitlOnTimeout.DECLINE
    assert found.deadlines_version == "review-deadlines/2026-11-01"


def test_the_letter_about_missing_documents_leaves_before_the_lawful_day(
    deadlines: DeadlinePolicy,
) -> None:
    assert deadlines.of("documents", Role.INTAKE).timeout_seconds == 25 * DAY < NOTICE_DAYS * DAY


def test_no_role_takes_over_from_compliance(deadlines: DeadlinePolicy) -> None:
    found = deadlines.of("compliance", Role.COMPLIANCE)

    assert (found.escalate_to, found.escalate_after_seconds) == (None, None)


def test_every_gate_of_the_desk_has_a_deadline(deadlines: DeadlinePolicy) -> None:
    assert set(deadlines.gates) == set(GATES)


def test_a_shorter_time_shortens_reminder_and_escalation_with_it(
    deadlines: DeadlinePolicy,
) -> None:
    found = deadlines.of("underwriter", Role.UNDERWRITER, timeout_seconds=70)

    assert found.timeout_seconds == 70
    assert found.remind_after_seconds == 20
    assert found.escalate_after_seconds == 40


def test_the_operator_says_what_is_declared(deadlines: DeadlinePolicy) -> None:
    found = deadlines.of("underwriter", Role.UNDERWRITER, on_timeout=HitlOnTimeout.DECLINE)

    assert found.on_timeout is HitlOnTimeout.DECLINE
    assert found.timeout_seconds == 7 * DAY


@pytest.mark.parametrize(("gate", "role"), [("elsewhere", "intake"), ("compliance", "intake")])
def test_a_gate_or_role_without_a_deadline_is_named(
    deadlines: DeadlinePolicy, gate: str, role: str
) -> None:
    with pytest.raises(RecordNotFoundError, match=f"no {role} at '{gate}'"):
        deadlines.of(gate, Role(role))


@pytest.mark.parametrize(
    "wrong",
    [
        {"remind_after": "P7D"},
        {"remind_after": "PT0S"},
        {"escalate_after": "P3D"},
        {"escalate_to": "senior_underwriter"},
        {"escalate_after": "P1D", "escalate_to": "underwriter"},
        {"remind_after": "P5D", "escalate_after": "P4D", "escalate_to": "senior_underwriter"},
        {"on_timeout": "approve"},
        {"due_after": "soon"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_deadlines_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(RecordCorruptError, match=r"deadlines\.yaml"):
        load_deadlines(written(tmp_path, **wrong))


@pytest.mark.parametrize(
    ("gate", "role", "next_role"),
    [
        ("compliance", "compliance", "underwriter"),
        ("compliance", "compliance", "senior_underwriter"),
        ("compliance", "underwriter", None),
        ("underwriter", "underwriter", "compliance"),
        ("second_approval", "senior_underwriter", "operator"),
        ("documents", "intake", "viewer"),
        ("elsewhere", "underwriter", None),
    ],
)
def test_a_request_goes_only_to_a_role_that_may_answer_it(
    tmp_path: Path, gate: str, role: str, next_role: str | None
) -> None:
    passed_on = {"escalate_after": "P1D", "escalate_to": next_role} if next_role else {}

    with pytest.raises(RecordCorruptError, match=f"may not answer at '{gate}'"):
        load_deadlines(written(tmp_path, gate, role, **passed_on))


def test_the_good_entry_of_these_tests_is_accepted(tmp_path: Path) -> None:
    found = load_deadlines(written(tmp_path)).of("underwriter", Role.UNDERWRITER)

    assert found.remind_after_seconds is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordNotFoundError, match=r"deadlines\.yaml"):
        load_deadlines(tmp_path)
