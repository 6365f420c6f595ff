"""After the decision: an offer is answered once and in time, and conditions are met or waived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from data.contracts.after_decision import (
    ConditionChange,
    OfferAnswer,
    OfferState,
    OfferStatus,
)
from data.contracts.decision import ConditionStatus, DecisionContent
from data.contracts.errors import (
    AuthorityError,
    ConflictError,
    ContractViolationError,
    OfferClosedError,
    RecordNotFoundError,
)
from data.contracts.review import Channel, Role
from flows.runtime.ledger import decisions, runs
from flows.runtime.ledger.database import Ledger
from flows.service import after_decision
from flows.service.requests import Caller
from tests.flows.inline import persona, underwritten

INTAKE = Caller("ina", (Role.INTAKE,), proven=True, channel=Channel.HTTP, principal="ina@desk")
UNDERWRITER = Caller("una", (Role.UNDERWRITER,), proven=True, channel=Channel.HTTP)
CODE = "confirm_income"
ACCEPTS, REFUSES = OfferAnswer(accept=True), OfferAnswer(accept=False)


async def enter(ledger: Ledger, content: DecisionContent) -> None:
    await ledger.write(runs.register, "run-1", "application:a", application_id="a")
    await ledger.write(decisions.enter, "run-1", content)


async def connies(ledger: Ledger, *, days_left: int = 10) -> DecisionContent:
    """Connie's counter-offer, open for some more days, with a condition."""
    content = (await underwritten(persona("connie-counter"))).content
    assert content.offer is not None
    expires_on = after_decision.today() + timedelta(days=days_left)
    content = DecisionContent.model_validate(
        content.model_dump()
        | {
            "offer": content.offer.model_dump() | {"expires_on": expires_on},
            "conditions": [{"code": CODE, "text": "Confirm the income."}],
        }
    )
    await enter(ledger, content)
    return content


async def record(ledger: Ledger) -> dict[str, Any]:
    decided = await ledger.read(decisions.find, "run-1")
    return await ledger.read(after_decision.states, decided)


async def answer(ledger: Ledger, given: OfferAnswer) -> OfferState:
    decided = await ledger.read(decisions.find, "run-1")
    return await ledger.write(after_decision.answer_offer, decided, given, INTAKE)


async def change(ledger: Ledger, status: ConditionStatus, by: Caller = UNDERWRITER) -> None:
    told = ConditionChange(status=status)
    decided = await ledger.read(decisions.find, "run-1")
    await ledger.write(after_decision.change_condition, decided, CODE, told, by)


@pytest.mark.parametrize(
    ("given", "status"),
    [(ACCEPTS, OfferStatus.ACCEPTED), (REFUSES, OfferStatus.REFUSED)],
)
async def test_the_first_answer_to_an_offer_counts_and_stands_in_the_record(
    ledger: Ledger, given: OfferAnswer, status: OfferStatus
) -> None:
    await connies(ledger)
    before = await record(ledger)

    answered = await answer(ledger, given)
    for second in (ACCEPTS, REFUSES):
        with pytest.raises(OfferClosedError, match=f"is {status.value} already"):
            await answer(ledger, second)

    assert before["offer"]["status"] == "open"
    assert answered.status is status
    after = (await record(ledger))["offer"]
    assert (after["status"], after["answered_by"]) == (status.value, "ina")
    assert after["answered_at"]
    assert after["choice"] == (0 if given.accept else None)


async def test_an_offer_lapses_when_its_last_day_has_ended(ledger: Ledger) -> None:
    content = await connies(ledger, days_left=-1)

    with pytest.raises(OfferClosedError, match="is lapsed already"):
        await answer(ledger, ACCEPTS)

    assert content.offer is not None
    assert (await record(ledger))["offer"] == {
        "status": "lapsed",
        "expires_on": content.offer.expires_on.isoformat(),
        "choice": None,
        "answered_at": None,
        "answered_by": "",
    }


async def test_an_offer_is_open_on_its_last_day(ledger: Ledger) -> None:
    await connies(ledger, days_left=0)

    assert (await answer(ledger, ACCEPTS)).status is OfferStatus.ACCEPTED


async def test_an_alternative_can_be_chosen_if_there_is_one(ledger: Ledger) -> None:
    content = await connies(ledger)
    last = len(content.alternatives)
    assert last

    with pytest.raises(ContractViolationError, match="alternatives"):
        await answer(ledger, OfferAnswer(accept=True, choice=last + 1))

    assert (await answer(ledger, OfferAnswer(accept=True, choice=last))).choice == last


async def test_where_no_offer_was_made_none_is_answered(ledger: Ledger) -> None:
    await enter(ledger, (await underwritten(persona("dee-debtor"))).content)

    with pytest.raises(RecordNotFoundError, match="no offer"):
        await answer(ledger, ACCEPTS)


async def test_a_condition_is_met_after_it_failed_and_each_step_says_by_whom(
    ledger: Ledger,
) -> None:
    await connies(ledger)
    (before,) = (await record(ledger))["conditions"]

    await change(ledger, ConditionStatus.FAILED)
    await change(ledger, ConditionStatus.RECEIVED, by=INTAKE)

    assert (before["status"], before["changed_at"]) == ("open", None)
    (after,) = (await record(ledger))["conditions"]
    assert (after["status"], after["changed_by"]) == ("received", "ina")


async def test_only_an_underwriter_waives_a_condition_and_that_is_the_end_of_it(
    ledger: Ledger,
) -> None:
    await connies(ledger)

    with pytest.raises(AuthorityError, match="only an underwriter"):
        await change(ledger, ConditionStatus.WAIVED, by=INTAKE)
    await change(ledger, ConditionStatus.WAIVED)
    with pytest.raises(ConflictError, match="waived already"):
        await change(ledger, ConditionStatus.RECEIVED)

    (after,) = (await record(ledger))["conditions"]
    assert (after["status"], after["waived_by"]) == ("waived", "una")


async def test_a_condition_that_the_decision_has_not_is_not_changed(ledger: Ledger) -> None:
    await enter(ledger, (await underwritten(persona("ada-prime"))).content)

    with pytest.raises(RecordNotFoundError, match="no condition"):
        await change(ledger, ConditionStatus.RECEIVED)
