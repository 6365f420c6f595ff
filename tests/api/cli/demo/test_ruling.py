"""A ruling, typed in or scripted, is the form's own fields."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from api.cli.answered import AnsweredError
from api.cli.demo.keyboard import Keyboard
from api.cli.demo.ruling import SCRIPTED_REVIEWER, rule_by_hand, rule_by_script
from flows.review_forms import ComplianceRuling, UnderwriterRuling
from flows.runtime.execution.gate_form import GateForm
from tests.api.desks import REVIEW


class Typist(Keyboard):
    """Types prepared lines, and remembers the questions."""

    def __init__(self, *lines: str) -> None:
        super().__init__(Console(file=io.StringIO()))
        self._lines: Iterator[str] = iter(lines)
        self.questions: list[str] = []

    async def line(self, question: str, default: str = "") -> str:
        self.questions.append(question)
        return next(self._lines) or default


def request(form: type[GateForm]) -> dict[str, Any]:
    return {
        "request_id": REVIEW.request_id,
        "review": REVIEW.model_dump(mode="json") | {"gate": form.gate},
        "schema": form.model_json_schema(),
    }


def form_fields(ruling: dict[str, Any]) -> dict[str, Any]:
    """A ruling without the fields that address it."""
    return {name: value for name, value in ruling.items() if name not in {"gate", "request_id"}}


async def ruled(typist: Typist, refusals: tuple[AnsweredError, ...] = ()) -> list[dict[str, Any]]:
    """Every ruling that was sent to the desk, while it refuses the first ones."""
    handed_in: list[dict[str, Any]] = []
    left = list(refusals)

    async def hand_in(ruling: dict[str, Any]) -> None:
        handed_in.append(ruling)
        if left:
            raise left.pop(0)

    await rule_by_hand(
        Console(file=io.StringIO()), typist, "bora", request(UnderwriterRuling), hand_in
    )
    return handed_in


async def test_an_approval_asks_for_nothing_but_reason_and_name() -> None:
    typist = Typist("approve", "long tenure", "u-1")

    [ruling] = await ruled(typist)

    assert ruling == {
        "gate": "underwriter",
        "request_id": REVIEW.request_id,
        "decision": "approve",
        "reason": "long tenure",
        "reviewer": "u-1",
    }
    UnderwriterRuling.model_validate(form_fields(ruling))


async def test_an_adjustment_asks_for_the_terms_and_leaves_empty_ones_out() -> None:
    typist = Typist("adj", "9000", "", "0.1299", "lower amount", "u-1")

    [ruling] = await ruled(typist)

    assert ruling["decision"] == "adjust"
    assert (ruling["amount"], ruling["rate"]) == (9000.0, 0.1299)
    assert "term_months" not in ruling


async def test_a_decline_asks_for_its_reason_code() -> None:
    [ruling] = await ruled(Typist("decline", "R09", "too much debt", "u-1"))

    assert (ruling["decision"], ruling["reason_code"]) == ("decline", "R09")


async def test_a_decision_that_is_none_is_asked_for_again() -> None:
    typist = Typist("perhaps", "", "a", "approve", "because", "u-1")

    [ruling] = await ruled(typist)

    assert ruling["decision"] == "approve"
    assert typist.questions[:4] == ["Decision (approve / decline / adjust / request_documents)"] * 4


async def test_a_ruling_that_cannot_count_is_asked_for_again_with_the_field_in_question() -> None:
    refused = AnsweredError(
        422,
        {
            "code": "answer_rejected",
            "errors": [{"pointer": "/reason_code", "message": "give an override reason"}],
        },
    )
    typist = Typist("approve", "", "u-1", "approve", "error_in_file", "", "u-1")

    first, second = await ruled(typist, (refused,))

    assert "reason_code" not in first
    assert second["reason_code"] == "error_in_file"
    assert second["reason"] == "Reviewed in the demonstration"


async def test_an_answer_that_another_reviewer_gave_before_is_not_asked_for_again() -> None:
    late = AnsweredError(409, {"code": "already_answered", "detail": "answered"})

    with pytest.raises(AnsweredError, match="answered"):
        await ruled(Typist("approve", "", "u-1"), (late,))


@pytest.mark.parametrize(
    ("form", "decision"), [(UnderwriterRuling, "approve"), (ComplianceRuling, "clear")]
)
async def test_a_script_says_that_it_is_one(form: type[GateForm], decision: str) -> None:
    handed_in: list[dict[str, Any]] = []

    async def hand_in(ruling: dict[str, Any]) -> None:
        handed_in.append(ruling)

    assert await rule_by_script(request(form), hand_in) == decision
    assert handed_in[0]["decision"] == decision
    assert handed_in[0]["reviewer"] == SCRIPTED_REVIEWER
    assert handed_in[0]["request_id"] == REVIEW.request_id
    form.model_validate(form_fields(handed_in[0]))
