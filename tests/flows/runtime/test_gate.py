"""Forms: strict however they are filled in, and answers that must pass the form's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from data.contracts.errors import AnswerRejectedError, AuthorityError
from data.contracts.events import EventType
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from flows.runtime.gate import (
    Answered,
    GateForm,
    PreparedAnswers,
    WaitingForReviewError,
    filled_in,
    prefilled,
)
from tests.flows.runtime.entries import draft
from tests.flows.runtime.leave import MANAGER, ManagerRuling, granted

GOOD: dict[str, Any] = {"decision": "grant", "reviewer": "Mona", "reason": "well deserved"}
REQUEST = ReviewRequest(
    role=Role.OPERATOR,
    title="A long absence",
    summary="9 days",
    facts={"days": 9},
    prefill={"days": 9},
)
WAITING = draft("waiting", type=EventType.WAITING)


def test_a_form_holds_what_was_filled_in() -> None:
    form = filled_in(ManagerRuling, GOOD | {"days": 3})

    assert (form.decision, form.days, form.reviewer) == ("grant", 3, "Mona")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": None}, "decision"),
        ({"days": 0}, "days"),
        ({"days": 31}, "days"),
        ({"days": "many"}, "days"),
        ({"reviewer": ""}, "reviewer"),
        ({"reviewer": "   "}, "reviewer"),
        ({"reviewer": "M" * 101}, "reviewer"),
        ({"reason": "ok"}, "reason"),
        ({"reason": "r" * 1001}, "reason"),
        ({"mood": "good"}, "mood"),
    ],
    ids=str,
)
def test_a_bad_field_is_named_and_its_value_is_not(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        filled_in(ManagerRuling, GOOD | fields)

    assert caught.value.field == field
    assert "MMM" not in str(caught.value)


@pytest.mark.parametrize("field", ["decision", "reviewer", "reason"])
def test_a_decision_needs_all_that_has_no_default(field: str) -> None:
    with pytest.raises(AnswerRejectedError, match="required") as caught:
        filled_in(ManagerRuling, {name: value for name, value in GOOD.items() if name != field})

    assert caught.value.field == field


def test_a_prefilled_form_keeps_every_constraint() -> None:
    form = prefilled(ManagerRuling, REQUEST)

    assert form(**GOOD).days == 9
    for wrong in ({"days": 31}, {"reason": "ok"}, {"decision": "perhaps"}, {"mood": "good"}):
        with pytest.raises(ValidationError):
            form(**(GOOD | wrong))
    plain, filled = ManagerRuling.model_json_schema(), form.model_json_schema()
    assert filled["properties"]["days"].pop("default") == 9
    assert plain["properties"]["days"].pop("default") is None
    assert filled["properties"] == plain["properties"]
    assert filled["required"] == plain["required"]


def test_prefilling_leaves_the_form_of_all_other_requests_alone() -> None:
    prefilled(ManagerRuling, REQUEST)

    assert ManagerRuling(**GOOD).days is None


def test_a_prefilled_form_shows_the_case_and_why_it_is_asked_again() -> None:
    assert prefilled(ManagerRuling, REQUEST)._description == "9 days"
    again = prefilled(ManagerRuling, REQUEST, "The last answer could not count: too many")
    assert again._description == "**The last answer could not count: too many**\n\n9 days"


def test_one_decides_first_and_gives_the_reason_last() -> None:
    fields = list(ManagerRuling.model_json_schema()["properties"])

    assert fields == ["decision", "days", "reviewer", "reason"]


async def test_a_prepared_answer_is_checked_like_any_other() -> None:
    keeper = PreparedAnswers(granted(days=10))

    with pytest.raises(AnswerRejectedError, match="not more than was asked for"):
        await keeper.pass_through(ManagerRuling, 1, REQUEST, WAITING)


async def test_an_answer_of_the_wrong_role_is_refused() -> None:
    clerk = Answerer(reviewer="Kim", roles=(Role.VIEWER,), channel=Channel.HTTP)
    keeper = PreparedAnswers({"manager": [Answered(ManagerRuling(**GOOD), clerk)]})

    with pytest.raises(AuthorityError, match="answered by operator"):
        await keeper.pass_through(ManagerRuling, 1, REQUEST, WAITING)


async def test_every_visit_has_its_own_prepared_answer() -> None:
    answers = [Answered(ManagerRuling(**(GOOD | {"days": days})), MANAGER) for days in (1, 2)]
    keeper = PreparedAnswers({"manager": answers})

    passed = [await keeper.pass_through(ManagerRuling, n, REQUEST, WAITING) for n in (1, 2)]

    assert [answered.form.days for answered in passed] == [1, 2]
    with pytest.raises(WaitingForReviewError):
        await keeper.pass_through(ManagerRuling, 3, REQUEST, WAITING)


def test_a_form_says_who_may_answer_besides_the_role_that_is_asked() -> None:
    class Shared(ManagerRuling):
        gate = "shared"
        roles = (Role.COMPLIANCE,)

    Shared.require_role(REQUEST, [Role.OPERATOR])
    Shared.require_role(REQUEST, [Role.COMPLIANCE, Role.VIEWER])
    with pytest.raises(AuthorityError):
        Shared.require_role(REQUEST, [Role.VIEWER])
    with pytest.raises(AuthorityError):
        ManagerRuling.require_role(REQUEST, [Role.COMPLIANCE])


def test_a_plain_form_has_no_rules_of_its_own() -> None:
    class Note(GateForm):
        gate = "note"

    form = filled_in(Note, {"reviewer": "Mona", "reason": "just so"})
    form.check(REQUEST, MANAGER)
    form.check_papers(REQUEST, [])
    assert form.reviewer == "Mona"
