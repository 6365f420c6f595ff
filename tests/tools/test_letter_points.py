"""The points of a letter in other words: which sentences say the same, and which are refused."""

from __future__ import annotations

import pytest

from data.contracts.decision import Condition, ConditionStatus, Outcome
from data.contracts.notices import LetterPoint, PointText
from data.contracts.policy import ReasonCode
from tests.attacks import ATTACKS
from tests.tools.test_notices import _content
from tools.letter_points import letter_points, point_faults

REQUEST = "You asked for a personal loan of $25,000.00 over 48 months."
PRINTABLE = [reason for reason in ReasonCode if reason.printable]


def faults(words: str, text: str) -> tuple[str, ...]:
    return point_faults([LetterPoint(code="R", words=words)], [PointText(code="R", text=text)])


def test_a_decline_has_the_request_and_its_reasons_in_order() -> None:
    reasons = (ReasonCode.DELINQUENT_OBLIGATIONS, ReasonCode.BANKRUPTCY)

    points = letter_points(_content(Outcome.DECLINE, principal_reasons=reasons))

    assert [point.code for point in points] == ["request", "R17", "R21"]
    assert points[0].words == REQUEST
    assert points[2].words == "Bankruptcy"


def test_an_incomplete_application_has_what_is_still_asked() -> None:
    asked = Condition(code="paystub", text="Send your last two paystubs.")
    waived = Condition(code="wages", text="Send a W-2.", status=ConditionStatus.WAIVED)

    points = letter_points(_content(Outcome.INCOMPLETE, conditions=(asked, waived)))

    assert [point.code for point in points] == ["request", "paystub"]


@pytest.mark.parametrize("outcome", [Outcome.DECLINE, Outcome.APPROVE, Outcome.WITHDRAWN])
def test_a_letter_without_reasons_has_no_points(outcome: Outcome) -> None:
    assert letter_points(_content(outcome)) == ()


def test_the_rules_own_words_are_accepted_for_every_reason() -> None:
    for reason in PRINTABLE:
        assert faults(reason.notice_text, reason.notice_text) == ()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (REQUEST, "Your request was for a personal loan of $25,000.00 over 48 months."),
        ("Bankruptcy", "We found a bankruptcy."),
        (
            "Income insufficient for amount of credit requested",
            "Your income is insufficient for the amount of credit that you requested.",
        ),
        ("Excessive obligations in relation to income", "Your obligations are excessive in"
         " relation to your income."),
        ("Unable to verify income", "We were unable to verify your income."),
        ("Value or type of collateral not sufficient", "The value or type of the collateral was"
         " not sufficient."),
    ],
)  # fmt: skip
def test_other_words_that_say_the_same_are_accepted(words: str, text: str) -> None:
    assert faults(words, text) == ()


@pytest.mark.parametrize(
    ("words", "text", "fault"),
    [
        (REQUEST, "You asked for a personal loan of $35,000.00 over 48 months.", "numbers"),
        (REQUEST, "You asked for a personal loan of 48 over $25,000.00 months.", "numbers"),
        (REQUEST, "You asked for a personal loan of $25,000.00 over months.", "numbers"),
        (REQUEST, "You asked for a personal loan of $25,000.00 over 48 years.", "'years'"),
        ("Bankruptcy", "We found a bankruptcy and a judgment.", "'judgment'"),
        ("Bankruptcy", "We found 2 bankruptcy cases.", "numbers"),
        ("Bankruptcy", "We decided on your application.", "'bankruptcy' is left out"),
        ("Bankruptcy", "There was no bankruptcy.", "'no'"),
        ("Unable to verify income", "We were able to verify your income.", "'unable' is left out"),
        ("Unable to verify income", "We verify your income, unable.", "negates"),
        ("No credit file", "Your credit file says no.", "negates"),
        ("Limited credit experience", "Limited credit experience. Apply again soon!", "'again'"),
        ("Limited credit experience", "Limited credit experience\nof yours", "one line"),
        ("Limited credit experience", " ", "one line"),
        ("Limited credit experience", "Limited credit experience\x00", "plain English letters"),
        ("Limited credit experience", "Limited credit \u202eexperience", "plain English letters"),
        ("Length of residence", "Length of residence " * 20, "one line"),
    ],
)
def test_a_sentence_that_adds_drops_or_contradicts_is_refused_and_its_fault_is_named(
    words: str, text: str, fault: str
) -> None:
    assert fault in " ".join(faults(words, text))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_is_accepted_in_a_letter(attack: str) -> None:
    for reason in PRINTABLE:
        assert faults(reason.notice_text, attack)
        assert faults(reason.notice_text, f"{reason.notice_text}. {attack}")


@pytest.mark.parametrize("codes", [("R17",), ("R21", "R17"), ("R17", "R21", "R08"), ()])
def test_points_that_are_added_dropped_or_reordered_are_refused(codes: tuple[str, ...]) -> None:
    points = [LetterPoint(code=code, words="Bankruptcy") for code in ("R17", "R21")]
    texts = [PointText(code=code, text="Bankruptcy") for code in codes]

    assert point_faults(points, texts) == ("write exactly these points, in this order: R17, R21",)
