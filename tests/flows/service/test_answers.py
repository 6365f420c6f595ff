"""An answer at the gateway: judged by the case in hand before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from data.contracts.base import canonical_json
from data.contracts.errors import AnswerRejectedError, AuthorityError, ConflictError
from data.contracts.review import Channel, Review, ReviewStatus, Role
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.rulebook import current_rulebook
from flows.runtime.ledger import applications, pinned, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.service.desk import DeskService
from flows.service.requests import Answer, Caller
from flows.workflow import WORKFLOW
from tests.flows.inline import persona, underwritten

RUN = "run-1"
UNA = Caller(name="", roles=tuple(Role), proven=False, channel=Channel.HTTP)


class WithoutPrefect(DeskService):
    async def _wake(self, review: Review) -> None:
        """Nobody sleeps here."""


@pytest.fixture
async def gateway(ledger: Ledger) -> DeskService:
    """A desk on which Bora's case waits for an underwriter."""
    case = persona("bora-borderline").case
    waiting = await underwritten(case)
    ((gate, request),) = waiting.script.asked

    def enter(connection: Any) -> None:
        order: dict[str, Any] = {"name": "underwrite bora-borderline"}
        body = canonical_json(case)
        applications.accept(connection, "bora-borderline", case.inputs_sha256(), body, order)
        runs.register(
            connection,
            RUN,
            "application:bora-borderline",
            application_id="bora-borderline",
            state=waiting.run.state.model_dump(mode="json"),
            status=RunStatus.WAITING,
        )
        pinned.pin(connection, RUN, WORKFLOW.version, current_rulebook(settings().data_dir))
        reviews.ask(connection, RUN, gate, 1, request)

    await ledger.write(enter)
    return WithoutPrefect(settings(), ledger, cast(Any, None))


def says(decision: str, **fields: Any) -> Answer:
    plain = {"gate": "underwriter", "reviewer": "Una", "reason": "seen and considered"}
    return Answer.model_validate(plain | {"decision": decision} | fields)


async def kept(gateway: DeskService) -> Review:
    (review,) = await gateway.ledger.read(reviews.of_run, RUN)
    return review


async def test_terms_are_held_to_the_evidence_that_the_run_has(gateway: DeskService) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        await gateway.answer(RUN, says("adjust", amount=18900.01), UNA, None)
    assert caught.value.field == "amount"

    with pytest.raises(AnswerRejectedError) as caught:
        await gateway.answer(RUN, says("adjust", term_months=12), UNA, None)
    assert caught.value.field == "reason_code"

    assert (await kept(gateway)).status is ReviewStatus.OPEN


async def test_the_record_says_in_which_role_and_that_there_were_no_keys(
    gateway: DeskService,
) -> None:
    both = replace(UNA, roles=(Role.INTAKE, Role.SENIOR_UNDERWRITER))

    await gateway.answer(RUN, says("approve"), both, None)

    by = (await kept(gateway)).by
    assert by is not None
    assert by.roles == (Role.SENIOR_UNDERWRITER, Role.INTAKE)
    assert not by.keyed


async def test_the_record_says_that_there_were_keys(gateway: DeskService) -> None:
    chosen = settings().model_copy(update={"api_keys_file": Path("keys.json")})
    gateway = WithoutPrefect(chosen, gateway.ledger, cast(Any, None))
    shorter = says("adjust", term_months=12, reason_code="compensating_income")

    with pytest.raises(AuthorityError, match="an identity that a key has proven"):
        await gateway.answer(RUN, shorter, UNA, None)
    proven = replace(UNA, name="Una Writer", proven=True)
    await gateway.answer(RUN, shorter, proven, None)

    by = (await kept(gateway)).by
    assert by is not None
    assert (by.reviewer, by.keyed, by.proven) == ("Una Writer", True, True)


async def test_a_run_that_has_ended_takes_no_answer(gateway: DeskService) -> None:
    await gateway.ledger.write(
        lambda connection: connection.exec_driver_sql("update runs set status = 'failed'")
    )

    with pytest.raises(ConflictError, match="has ended: it is failed"):
        await gateway.answer(RUN, says("approve"), UNA, None)

    assert (await kept(gateway)).status is ReviewStatus.OPEN


async def test_the_same_answer_again_is_not_judged_again(gateway: DeskService) -> None:
    await gateway.answer(RUN, says("approve"), UNA, "key-1")
    await gateway.ledger.write(
        lambda connection: connection.exec_driver_sql("update runs set status = 'completed'")
    )

    await gateway.answer(RUN, says("approve"), UNA, "key-1")

    assert (await kept(gateway)).status is ReviewStatus.ANSWERED
