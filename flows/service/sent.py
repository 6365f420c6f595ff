"""Letters as they were sent, and what the record of a decision says about them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data.contracts.application import ApplicantRole
from data.contracts.decision import DecisionContent, Outcome
from data.contracts.errors import RecordNotFoundError
from data.contracts.notices import SentNotice
from flows.runtime.ledger import decisions, letters
from tools.notices import compose_notices, load_notice_terms


def entries(connection: sa.Connection, decision_id: str) -> list[dict[str, str]]:
    """The letters of a decision in its record: to whom, due when, sent when, under which digest."""
    return [
        {"applicant": entry.pop("recipient"), **entry}
        for entry in letters.listed(connection, decision_id)
    ]


def notice(
    connection: sa.Connection, data_dir: Path, run_id: str, applicant: ApplicantRole
) -> SentNotice:
    """The letter to one applicant about a run's decision.

    A decision that is older than the store of letters has its letter written now, with the lender's
    details of today. Raises RecordNotFoundError where there is none.
    """
    decided = decisions.find(connection, run_id)
    found = _sent(connection, decided["decision_id"]) or _written_now(decided["content"], data_dir)
    if not found:
        raise RecordNotFoundError("no letter is due: the application was withdrawn")
    if applicant not in found:
        raise RecordNotFoundError("no letter is due: the application has no co-applicant")
    return found[applicant]


def notice_of_application(
    connection: sa.Connection, application_id: str, applicant: ApplicantRole
) -> SentNotice:
    """The letter to one applicant about a decision that a run or a batch has taken.

    Raises RecordNotFoundError where none was sent.
    """
    decision_id = decisions.of_application(connection, application_id)
    found = _sent(connection, decision_id).get(applicant)
    if found is None:
        raise RecordNotFoundError("no letter was sent to this applicant")
    return found


def _sent(connection: sa.Connection, decision_id: str) -> dict[str, SentNotice]:
    return {
        letter.recipient: SentNotice.model_validate(
            letter.body | {"sent_at": letter.sent_at, "sha256": letter.sha256}
        )
        for letter in letters.of_decision(connection, decision_id)
    }


def _written_now(body: dict[str, Any], data_dir: Path) -> dict[str, SentNotice]:
    if body["outcome"] == Outcome.WITHDRAWN:
        return {}
    content = DecisionContent.model_validate(body)
    composed = compose_notices(content, load_notice_terms(data_dir), datetime.now(UTC).date())
    return {notice.applicant: SentNotice.model_validate(notice.model_dump()) for notice in composed}
