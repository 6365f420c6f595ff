"""A preview says what a ruling would bring, by the root flow itself, and stores nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.app import create_app
from data.contracts.base import canonical_json
from data.contracts.decision import Outcome
from data.contracts.documents import DocumentKind
from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
    ClaimedError,
    ReviewTimeoutError,
    StaleRequestError,
)
from data.contracts.policy import ReasonCode, RuleStatus
from data.contracts.preview import RulingPreview
from data.contracts.review import Channel, Role
from data.settings import Settings, settings
from flows.runtime.ledger import applications
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import checkpoints, metadata
from flows.service.desk import DeskService
from flows.service.requests import Answer, Caller, ClaimRequest
from tests.api.desks import client_of
from tests.flows.cases import without
from tests.flows.cleared import confirm_clearance, screening_of
from tests.flows.inline import Says, persona, underwritten
from tests.flows.waiting_desk import RUN, desk_on, waiting
from tools.notices import compose_notices, load_notice_terms

UNA = Caller("Una", tuple(Role), proven=True, channel=Channel.HTTP)


def says(decision: str, gate: str = "underwriter", **fields: Any) -> Answer:
    plain = {"gate": gate, "reviewer": "Una", "reason": "seen and considered"}
    return Answer.model_validate(plain | {"decision": decision} | fields)


async def _stored(ledger: Ledger) -> dict[str, list[Any]]:
    """Every row of every table."""

    def read(connection: sa.Connection) -> dict[str, list[Any]]:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))]
            for table in metadata.sorted_tables
        }

    return await ledger.read(read)


async def previewed(
    ledger: Ledger, name: str, *steps: Says, answer: Answer, caller: Caller = UNA
) -> RulingPreview:
    """A preview at the gate where a persona's run waits after some answers."""
    await waiting(ledger, persona(name), *steps)
    desk, before = desk_on(ledger), await _stored(ledger)
    try:
        return await desk.preview(RUN, answer, caller)
    finally:
        assert await _stored(ledger) == before


@pytest.mark.parametrize(
    ("name", "answer", "step"),
    [
        ("bora-borderline", says("approve"), Says("underwriter", "approve")),
        (
            "bora-borderline",
            says("adjust", amount=9000.0),
            Says("underwriter", "adjust", more={"amount": 9000.0}),
        ),
        (
            "bora-borderline",
            says("decline", reason_code="R09"),
            Says("underwriter", "decline", more={"reason_code": "R09"}),
        ),
        ("pat-potential", says("clear", "compliance"), Says("compliance", "clear")),
        ("pat-potential", says("true_match", "compliance"), Says("compliance", "true_match")),
        (
            "max-missing",
            says("withdraw", "documents"),
            Says("documents", "withdraw"),
        ),
    ],
    ids=lambda given: getattr(given, "decision", given),
)
async def test_a_preview_is_what_the_ruling_brings(
    ledger: Ledger, name: str, answer: Answer, step: Says
) -> None:
    shown = await previewed(ledger, name, answer=answer)

    content = (await underwritten(persona(name), step)).content
    assert shown.outcome is content.outcome
    assert shown.offer == content.offer
    assert shown.alternatives == content.alternatives
    assert shown.conditions == content.conditions
    assert shown.principal_reasons == content.principal_reasons
    assert shown.letters == compose_notices(
        content, load_notice_terms(settings().data_dir), today()
    )
    assert (shown.gate, shown.decision) == (answer.gate, answer.decision)
    assert (shown.asks_next, shown.needs_second_person) == ("", False)


def today() -> date:
    return persona("bora-borderline").case.application.day_of(datetime.now(UTC))


async def test_an_approval_shows_price_apr_and_the_rules_that_hit(ledger: Ledger) -> None:
    shown = await previewed(ledger, "bora-borderline", answer=says("approve"))

    assert shown.outcome is Outcome.APPROVE
    assert shown.offer is not None
    assert shown.offer.apr > shown.offer.rate
    assert shown.offer.amount == Decimal("12000.00")
    assert {rule.rule_id for rule in shown.rules} >= {"pd-elevated"}
    assert all(rule.status is not RuleStatus.NOT_HIT for rule in shown.rules)


async def test_what_one_person_may_not_grant_says_so_and_is_shown_as_if_granted(
    ledger: Ledger,
) -> None:
    shown = await previewed(ledger, "leo-large", answer=says("approve"))

    assert shown.needs_second_person
    assert not shown.is_override
    assert shown.outcome is Outcome.APPROVE
    assert shown.offer is not None
    assert shown.offer.amount == Decimal("45000.00")


async def test_an_override_is_called_one(ledger: Ledger) -> None:
    answer = says("approve", reason_code="compensating_income")

    shown = await previewed(ledger, "uma-override", answer=answer)

    assert (shown.is_override, shown.needs_second_person) == (True, True)
    assert shown.outcome is Outcome.APPROVE


async def test_the_second_person_sees_the_loan_too(ledger: Ledger) -> None:
    first = Says("underwriter", "adjust", more={"amount": 40000.0})
    answer = says("approve", "second_approval", reviewer="Sven")
    sven = replace(UNA, name="Sven")

    shown = await previewed(ledger, "leo-large", first, answer=answer, caller=sven)

    assert shown.outcome is Outcome.COUNTER_OFFER
    assert shown.offer is not None
    assert shown.offer.amount == Decimal("40000.00")
    assert not shown.needs_second_person


async def test_the_second_person_is_told_of_an_override(ledger: Ledger) -> None:
    reason = {"reason_code": "compensating_income"}
    first = Says("underwriter", "approve", more=reason)
    answer = says("approve", "second_approval", reviewer="Sven", **reason)

    shown = await previewed(
        ledger, "uma-override", first, answer=answer, caller=replace(UNA, name="Sven")
    )

    assert (shown.is_override, shown.outcome) == (True, Outcome.APPROVE)


async def test_documents_that_came_in_are_read_before_it_is_said_what_they_bring(
    ledger: Ledger,
) -> None:
    case = persona("max-missing")
    await waiting(ledger, case)
    (proof,) = case.later_documents

    def file(connection: sa.Connection) -> None:
        body = canonical_json(proof)
        applications.file_document(connection, "max-missing", proof.document_id, body, "Ines")

    await ledger.write(file)
    answer = says("supplied", "documents", document_ids=[proof.document_id])

    shown = await desk_on(ledger).preview(RUN, answer, UNA)

    assert (shown.asks_next, shown.outcome) == ("", Outcome.APPROVE)


async def test_where_another_gate_follows_the_preview_names_it(ledger: Ledger) -> None:
    shown = await previewed(ledger, "bora-borderline", answer=says("request_documents"))

    assert (shown.asks_next, shown.outcome, shown.offer) == ("documents", None, None)


async def test_a_decline_shows_the_reasons_that_the_applicant_would_be_given(
    ledger: Ledger,
) -> None:
    answer = says("decline", reason_code="R22")

    shown = await previewed(ledger, "bora-borderline", answer=answer)

    assert shown.principal_reasons == (ReasonCode.RECENT_INQUIRIES,)


@pytest.mark.parametrize(
    ("answer", "caller", "error"),
    [
        (says("adjust", amount=18900.01), UNA, AnswerRejectedError),
        (says("approve", reason=" "), UNA, AnswerRejectedError),
        (says("approve"), replace(UNA, roles=(Role.VIEWER,)), AuthorityError),
        (says("approve", request_id="underwriter-7"), UNA, StaleRequestError),
    ],
)
async def test_a_preview_is_refused_where_the_answer_would_be(
    ledger: Ledger, answer: Answer, caller: Caller, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await previewed(ledger, "bora-borderline", answer=answer, caller=caller)


async def test_no_finished_stage_is_executed_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk = await _desk(ledger)
    # From now on no screening could clear an applicant.
    monkeypatch.setenv("CREDIT_DESK_WATCHLIST_DIR", str(tmp_path / "missing"))
    settings.cache_clear()

    shown = await desk.preview(RUN, says("approve"), UNA)

    assert shown.outcome is Outcome.APPROVE


async def test_without_its_checkpoint_the_run_is_rehearsed_from_the_start(ledger: Ledger) -> None:
    desk = await _desk(ledger)
    await ledger.write(lambda connection: connection.execute(checkpoints.delete()))
    before = await _stored(ledger)

    shown = await desk.preview(RUN, says("approve"), UNA)

    assert shown.outcome is Outcome.APPROVE
    assert await _stored(ledger) == before


async def test_who_was_cleared_by_two_people_is_not_asked_about_in_a_preview(
    ledger: Ledger,
) -> None:
    pat = persona("pat-potential").case
    paystub = next(found for found in pat.documents if found.kind is DocumentKind.PAYSTUB)
    await waiting(ledger, without(pat, DocumentKind.PAYSTUB))
    await ledger.write(
        applications.file_document,
        pat.application.application_id,
        paystub.document_id,
        canonical_json(paystub),
        "Ines",
    )
    desk = desk_on(ledger)
    answer = says("supplied", "documents", document_ids=[paystub.document_id])
    asked = await desk.preview(RUN, answer, UNA)

    await ledger.write(confirm_clearance, (await screening_of(pat)).doubtful)
    cleared = await desk.preview(RUN, answer, UNA)

    assert (asked.gate, asked.asks_next) == ("documents", "compliance")
    assert cleared.asks_next != "compliance"


async def test_the_route_previews_on_a_desk(ledger: Ledger) -> None:
    desk = await _desk(ledger)

    @asynccontextmanager
    async def open_desk(_settings: Settings) -> AsyncIterator[DeskService]:
        yield desk

    body = says("adjust", amount=9000.0).model_dump(exclude_none=True)
    async with client_of(create_app(settings(), open_desk)) as client:
        shown = await client.post(f"/runs/{RUN}/hitl/preview", json=body)
        refused = await client.post(f"/runs/{RUN}/hitl/preview", json=body | {"amount": 1})

    assert (shown.status_code, refused.status_code) == (200, 422)
    assert shown.json()["offer"]["amount"] == "9000.00"
    assert refused.json()["errors"][0]["pointer"] == "/amount"


async def _desk(ledger: Ledger) -> DeskService:
    await waiting(ledger, persona("bora-borderline"))
    return desk_on(ledger)


async def test_nothing_is_previewed_after_the_time_or_for_another_reviewer(ledger: Ledger) -> None:
    desk = await _desk(ledger)
    await desk.claim(RUN, ClaimRequest(reviewer="Sven"), replace(UNA, name="Sven"))
    with pytest.raises(ClaimedError):
        await desk.preview(RUN, says("approve"), UNA)

    late = "update reviews set due_at = '2026-01-01T00:00:00.000000Z'"
    await ledger.write(lambda connection: connection.exec_driver_sql(late))
    with pytest.raises(ReviewTimeoutError):
        await desk.preview(RUN, says("approve"), UNA)
