"""An answer at the desk: it is judged by the case of the run before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.contracts.errors import (
    AnswerRejectedError,
    AuthorityError,
    ClaimedError,
    ConflictError,
)
from data.contracts.review import Channel, Review, ReviewStatus, Role
from data.settings import settings
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger
from flows.service.desk import DeskService
from flows.service.requests import Answer, Caller, ClaimRequest
from tests.flows.inline import persona
from tests.flows.waiting_desk import RUN, desk_on, waiting

COMPOSED, DECOMPOSED = "Agn\u00e8s", "Agne\u0300s"
"""One name in NFC and in NFD."""
UNA = Caller(name="", roles=tuple(Role), proven=False, channel=Channel.HTTP)


@pytest.fixture
async def waiting_desk(ledger: Ledger) -> DeskService:
    """A desk on which Bora's case waits for an underwriter."""
    await waiting(ledger, persona("bora-borderline"))
    return desk_on(ledger)


def says(decision: str, **fields: Any) -> Answer:
    plain = {"gate": "underwriter", "reviewer": "Una", "reason": "seen and considered"}
    return Answer.model_validate(plain | {"decision": decision} | fields)


async def kept(desk: DeskService) -> Review:
    (review,) = await desk.ledger.read(reviews.of_run, RUN)
    return review


async def test_terms_are_held_to_the_evidence_that_the_run_has(waiting_desk: DeskService) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        await waiting_desk.answer(RUN, says("adjust", amount=18900.01), UNA, None)
    assert caught.value.field == "amount"

    with pytest.raises(AnswerRejectedError) as caught:
        await waiting_desk.answer(RUN, says("adjust", term_months=12), UNA, None)
    assert caught.value.field == "reason_code"

    assert (await kept(waiting_desk)).status is ReviewStatus.OPEN


async def test_the_record_says_in_which_role_and_that_there_were_no_keys(
    waiting_desk: DeskService,
) -> None:
    both = replace(UNA, roles=(Role.INTAKE, Role.SENIOR_UNDERWRITER))

    await waiting_desk.answer(RUN, says("approve"), both, None)

    by = (await kept(waiting_desk)).by
    assert by is not None
    assert by.roles == (Role.SENIOR_UNDERWRITER, Role.INTAKE)
    assert not by.keyed


async def test_the_record_says_that_there_were_keys(waiting_desk: DeskService) -> None:
    chosen = settings().model_copy(update={"api_keys_file": Path("keys.json")})
    keyed_desk = desk_on(waiting_desk.ledger, chosen)
    shorter = says("adjust", term_months=12, reason_code="compensating_income")

    with pytest.raises(AuthorityError, match="answer with an API key"):
        await keyed_desk.answer(RUN, shorter, UNA, None)
    proven = replace(UNA, name="Una Writer", proven=True)
    await keyed_desk.answer(RUN, shorter, proven, None)

    by = (await kept(keyed_desk)).by
    assert by is not None
    assert (by.reviewer, by.keyed, by.proven) == ("Una Writer", True, True)


async def test_a_run_that_has_ended_takes_no_answer(waiting_desk: DeskService) -> None:
    await waiting_desk.ledger.write(
        lambda connection: connection.exec_driver_sql("update runs set status = 'failed'")
    )

    with pytest.raises(ConflictError, match="has ended: it is failed"):
        await waiting_desk.answer(RUN, says("approve"), UNA, None)

    assert (await kept(waiting_desk)).status is ReviewStatus.OPEN


async def test_the_same_answer_again_is_not_judged_again(waiting_desk: DeskService) -> None:
    await waiting_desk.answer(RUN, says("approve"), UNA, "key-1")
    await waiting_desk.ledger.write(
        lambda connection: connection.exec_driver_sql("update runs set status = 'completed'")
    )

    await waiting_desk.answer(RUN, says("approve"), UNA, "key-1")

    assert (await kept(waiting_desk)).status is ReviewStatus.ANSWERED


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_a_claim_belongs_to_a_person_however_the_name_is_composed(
    waiting_desk: DeskService, first: str, second: str
) -> None:
    claim = await waiting_desk.claim(RUN, ClaimRequest(reviewer=first), UNA)
    again = await waiting_desk.claim(RUN, ClaimRequest(reviewer=second), UNA)
    with pytest.raises(ClaimedError):
        await waiting_desk.claim(RUN, ClaimRequest(reviewer="Agnes"), UNA)

    await waiting_desk.answer(RUN, says("approve", reviewer=second), UNA, None)

    assert claim.reviewer == again.reviewer == COMPOSED
    review = await kept(waiting_desk)
    assert review.by is not None
    assert review.by.reviewer == COMPOSED
    assert (review.fields or {})["reviewer"] == COMPOSED


async def test_a_claim_is_released_however_the_name_is_composed(waiting_desk: DeskService) -> None:
    await waiting_desk.claim(RUN, ClaimRequest(reviewer=DECOMPOSED), UNA)

    await waiting_desk.release(RUN, ClaimRequest(reviewer=COMPOSED), UNA)

    assert (await kept(waiting_desk)).claim is None
