"""Decisions and runs in words."""

from __future__ import annotations

import pytest

from api.cli.output import offer_of, reasons_of, run_lines, trace_line
from tests.api.desks import RUN_ID, summary

OFFER = {"amount": "12000.00", "term_months": 48, "rate": "0.2249", "payment": "381.27"}


@pytest.mark.parametrize(
    ("decision", "shown"),
    [
        ({"principal_reasons": ["R09"]}, "R09 excessive obligations"),
        ({"reasons": ["R99_BELOW_LEGAL_AGE"]}, "R99 below legal age"),
        ({"reasons": ["R08", "Z1"]}, "R08 income insufficient, Z1"),
        ({"reasons": []}, ""),
    ],
)
def test_reasons_are_code_and_words(decision: dict[str, list[str]], shown: str) -> None:
    assert reasons_of(decision) == shown


def test_an_offer_is_amount_term_rate_and_payment() -> None:
    assert offer_of(OFFER) == "$12,000.00 over 48 months at 22.49%, $381.27 a month"
    assert offer_of(None) == ""


def test_a_decided_run_shows_decision_and_offer() -> None:
    run = summary().model_dump(mode="json") | {
        "status": "completed",
        "decision": {"outcome": "counter_offer", "reasons": ["R22"], "offer": OFFER},
    }

    assert run_lines(run) == [
        f"Run {RUN_ID} of ada-prime: completed",
        "Decision: counter offer (R22 recent inquiries)",
        "Offer: $12,000.00 over 48 months at 22.49%, $381.27 a month",
    ]


def test_a_waiting_run_shows_how_to_answer_it() -> None:
    run = summary().model_dump(mode="json") | {
        "status": "waiting",
        "waiting_for": {"gate": "underwriter", "role": "senior_underwriter", "title": "Rule"},
    }

    assert run_lines(run)[1] == "Waits for senior underwriter: Rule"
    assert f"credit-desk answer {RUN_ID} --gate underwriter" in run_lines(run)[2]


def test_the_trace_is_shown_at_the_span_of_an_error_if_there_was_one() -> None:
    run = summary().model_dump(mode="json")
    span_id = "b7ad6b7169203331"

    assert trace_line(run) == trace_line(run, "0" * 16) == "Trace: http://traces/1"
    assert trace_line(run, span_id) == f"Trace: http://traces/1?uiFind={span_id}"


def test_a_failed_run_shows_why_and_how_to_go_on() -> None:
    run = summary().model_dump(mode="json") | {
        "status": "failed",
        "error": {"message": "the bureau did not answer"},
    }

    assert run_lines(run)[1:] == [
        "Failed: the bureau did not answer",
        f"  credit-desk resume {RUN_ID}",
    ]
