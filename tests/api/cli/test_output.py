"""Decisions and runs in words."""

from __future__ import annotations

import io
import shlex

import pytest
from rich.console import Console, RenderableType

from api.cli.case_page import case_page
from api.cli.output import (
    answer_command,
    fitted,
    offer_of,
    outcome_of,
    reasons_of,
    run_lines,
    trace_lines,
)
from api.cli.tables import Listing
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
    assert run_lines(run)[2:] == [
        f"  credit-desk show {RUN_ID[:8]}",
        f"  credit-desk answer {RUN_ID[:8]} --gate underwriter --decision approve"
        ' --reviewer your-name --reason "your reason"',
    ]


def test_a_what_if_is_called_one_and_decides_nothing() -> None:
    run = summary().model_dump(mode="json") | {
        "status": "completed",
        "decision": {"outcome": "approve", "reasons": [], "what_if": True},
        "lineage": {"parent_run_id": RUN_ID, "forked_at": "risk/1", "may_decide": False},
    }

    assert run_lines(run) == [
        f"Run {RUN_ID} of ada-prime: completed (what-if from risk/1 of {RUN_ID[:8]})",
        "What-if: would be 'approve', decides nothing",
    ]
    assert outcome_of(run) == "what-if: approve"


def drawn(shown: RenderableType, width: int) -> list[str]:
    """The lines on a terminal of this width."""
    console = Console(file=io.StringIO(), width=width)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return lines


COLUMNS = ("Run", "Due in", "Gate", "Application", "Amount", "Why", "Claim")
WHY = "amount above automatic authority, income variable"
ROW = (RUN_ID, "12 days", "second_approval", "bora-borderline", "$45,000", WHY, "")


def test_a_table_of_the_inbox_fits_on_a_narrow_terminal() -> None:
    lines = drawn(Listing(COLUMNS, [ROW]), 80)

    assert "Claim" not in lines[0], "no request is claimed"
    words = f"{RUN_ID[:8]}  12 days  second_approval  bora-borderline  $45,000"
    assert any(line.startswith(words) for line in lines)
    assert len(lines) < 8, "a row takes a few lines"


def test_a_narrower_terminal_does_without_columns_that_can_be_spared() -> None:
    lines = drawn(Listing(COLUMNS, [ROW], ("Why", "Amount")), 62)

    assert lines[0].split() == ["Run", "Due", "in", "Gate", "Application", "Amount"]


@pytest.mark.parametrize("width", [60, 40])
def test_where_no_table_fits_each_row_is_a_block_and_no_cell_is_cut(width: int) -> None:
    text = " ".join(" ".join(drawn(Listing(COLUMNS, [ROW]), width)).replace("·", " ").split())

    named = zip(COLUMNS[1:-1], ROW[1:-1], strict=True)
    assert text == " ".join([RUN_ID[:8], *(f"{name}: {cell}" for name, cell in named)])


def test_a_case_shows_facts_reasons_and_address_at_any_width() -> None:
    summary = (
        "| Asked for | Policy |\n| --- | --- |\n| $12,000.00 over 48 months | refer |\n\n"
        "| Income |\n| --- |\n| $4,500.00 a month |\n\n- **Thin file** (refer)\n\n"
        "[Everything about this case](http://127.0.0.1:1/case/1)"
    )

    lines = [line.strip() for line in drawn(case_page(summary), 40)]

    assert lines[1:4] == [
        "Asked for  $12,000.00 over 48 months",
        "Policy     refer",
        "Income     $4,500.00 a month",
    ]
    assert lines[-4:-1] == ["", "Everything about this case:", "http://127.0.0.1:1/case/1"]
    assert any("Thin file (refer)" in line for line in lines)


def test_a_long_command_breaks_before_its_options_and_still_pastes() -> None:
    command = answer_command(RUN_ID, "underwriter")

    broken = fitted(command, 60)

    assert max(map(len, broken.splitlines())) <= 60
    assert shlex.split(broken.replace("\\\n", "")) == shlex.split(command)
    assert fitted("Waits for a reviewer, who has time", 10).count("\n") == 0


def test_the_trace_is_shown_at_the_span_of_an_error_if_there_was_one() -> None:
    run = summary().model_dump(mode="json")
    span_id = "b7ad6b7169203331"

    assert trace_lines(run) == trace_lines(run, "0" * 16) == ["Trace: http://traces/1"]
    assert trace_lines(run, span_id) == [f"Trace: http://traces/1?uiFind={span_id}"]
    run["links"] |= {"trace": "", "span": ""}
    assert trace_lines(run) == trace_lines(run, span_id) == []


def test_a_failed_run_shows_why_and_how_to_go_on() -> None:
    run = summary().model_dump(mode="json") | {
        "status": "failed",
        "error": {"message": "the bureau did not answer"},
    }

    assert run_lines(run)[1:] == [
        "Failed: the bureau did not answer",
        f"  credit-desk resume {RUN_ID}",
    ]
