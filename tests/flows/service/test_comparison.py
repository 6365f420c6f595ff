"""Two checkpoints side by side: every difference, and the input that it began with."""

from __future__ import annotations

from typing import Any

import pytest

from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.ledger.json_patch import json_patch
from flows.service.comparison import compare

DECIDED: dict[str, Any] = {
    "bureau": {"inquiries": 1},
    "risk_ensemble": {"pd": "0.02", "a/b": 1},
    "pricing": {"offer": {"rate": "0.0899"}},
    "decision": {
        "outcome": "approve",
        "offer": {"amount": "10000.00", "rate": "0.0899", "payment": "318.00"},
    },
}


def at(state: dict[str, Any], run_id: str = "run-1", label: str = "decision") -> Checkpoint:
    return Checkpoint(
        workflow="credit-underwriting",
        workflow_version="1",
        run_id=run_id,
        label=label,
        version=1,
        ordinal=1,
        versions={},
        state=state,
        memory=(),
        outputs={},
        walk={},
        progress={},
        fingerprints={},
    )


def applied(state: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, as far as add, remove and replace of members go."""
    for step in patch:
        *path, last = (
            part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]
        )
        place = state
        for part in path:
            place = place[part]
        if step["op"] == "remove":
            del place[last]
        else:
            place[last] = step["value"]
    return state


def test_equal_states_do_not_differ() -> None:
    same = compare(at(DECIDED), at(DECIDED, "run-2"), {}, {})

    assert same.patch == ()
    assert same.changes == ()
    assert same.summary == "Nothing differs."


def test_both_checkpoints_are_named_in_full() -> None:
    found = compare(at(DECIDED, label="offer"), at(DECIDED, "run-2"), {}, {})

    assert (found.before, found.after) == ("run-1/offer/1", "run-2/decision/1")


def test_the_patch_turns_the_one_state_into_the_other() -> None:
    other = {
        "bureau": None,
        "risk_ensemble": {"pd": "0.05", "a/b": 2, "c~d": 3},
        "decision": {"outcome": "decline", "reasons": ["R06"]},
    }

    found = compare(at(DECIDED), at(other), {}, {})

    copy = at(DECIDED).model_copy(deep=True).state
    assert applied(copy, list(found.patch)) == other
    assert list(found.patch) == json_patch(DECIDED, other)


def test_changes_come_in_the_order_of_the_map_with_both_values() -> None:
    other = {
        **DECIDED,
        "decision": DECIDED["decision"] | {"outcome": "decline"},
        "bureau": {"inquiries": 4},
        "risk_ensemble": {"pd": "0.02", "a/b": 9},
    }

    found = compare(at(DECIDED), at(other), {}, {})

    assert [(change.path, change.before, change.after) for change in found.changes] == [
        ("/bureau/inquiries", 1, 4),
        ("/risk_ensemble/a~1b", 1, 9),
        ("/decision/outcome", "approve", "decline"),
    ]


def test_the_summary_says_what_changed_and_which_input_caused_it_first() -> None:
    dearer = {"amount": "12000.00", "rate": "0.0899", "payment": "381.60"}
    other = {
        **DECIDED,
        "risk_ensemble": {"pd": "0.03", "a/b": 1},
        "decision": {"outcome": "approve", "offer": dearer},
    }

    found = compare(at(DECIDED), at(other, "run-2"), {}, {"amount_requested": "12000.00"})

    assert found.summary == (
        "amount 10000.00 → 12000.00; payment 318.00 → 381.60: caused by "
        "amount_requested = 12000.00, first seen in risk_ensemble.pd."
    )


def test_a_changed_outcome_comes_first_in_the_summary() -> None:
    other = {**DECIDED, "decision": {"outcome": "decline", "offer": None}}

    found = compare(at(DECIDED), at(other, "run-2"), {}, {"policy": "strict"})

    assert found.summary.startswith("approve → decline; amount 10000.00 → none")
    assert "caused by policy = strict" in found.summary


@pytest.mark.parametrize(
    ("inputs", "differs", "cause"),
    [
        ({"as_of_date": "2026-12-01", "amount_requested": "9000.00"}, "bureau", "as_of_date"),
        ({"as_of_date": "2026-12-01", "amount_requested": "9000.00"}, "risk_ensemble", "amount"),
        ({"policy": "strict", "as_of_date": "2026-12-01"}, "risk_ensemble", "as_of_date"),
        ({"prices": "dear", "policy": "strict"}, "decision", "policy"),
        ({"policy": "strict"}, "risk_ensemble", "policy"),
    ],
)
def test_of_several_inputs_the_one_is_named_that_the_first_other_finding_rests_on(
    inputs: dict[str, str], differs: str, cause: str
) -> None:
    other = {**DECIDED, "decision": DECIDED["decision"] | {"outcome": "decline"}}
    other[differs] = {**other[differs], "seen": 1} if differs != "decision" else other[differs]
    before = {**DECIDED, differs: {"seen": 0} | DECIDED[differs]}

    found = compare(at(before), at(other, "run-2"), {}, inputs)

    assert f"caused by {cause}" in found.summary
    assert " and " not in found.summary


def test_inputs_that_one_stage_reads_are_named_together() -> None:
    other = {**DECIDED, "risk_ensemble": {"pd": "0.03", "a/b": 1}}
    inputs = {"amount_requested": "9000.00", "term_months": 48, "policy": "strict"}

    found = compare(at(DECIDED), at(other, "run-2"), {}, inputs)

    assert found.summary == (
        "the decision is the same, other values differ: caused by amount_requested = 9000.00 and "
        "term_months = 48, first seen in risk_ensemble.pd."
    )


def test_an_input_that_both_runs_changed_alike_causes_nothing() -> None:
    other = {**DECIDED, "risk_ensemble": {"pd": "0.03", "a/b": 1}}
    alike = {"amount_requested": "9000.00"}

    found = compare(at(DECIDED), at(other, "run-2"), alike, alike | {"term_months": 48})
    back = compare(at(other, "run-2"), at(DECIDED), alike | {"term_months": 48}, alike)

    assert "caused by term_months = 48," in found.summary
    assert "caused by term_months = as applied for," in back.summary


def test_a_stage_that_only_one_side_has_come_to_is_no_effect_of_an_input() -> None:
    found = compare(
        at({**DECIDED, "pricing": None, "decision": None}), at(DECIDED), {}, {"prices": "dear"}
    )

    assert "caused by" not in found.summary


def test_without_an_input_that_differs_the_first_difference_is_named() -> None:
    other = {**DECIDED, "bureau": {"inquiries": 2}}

    found = compare(at(DECIDED), at(other), {}, {})

    assert found.summary == "The decision is the same: first difference in bureau.inquiries."


def test_before_and_after_the_decision_reads_as_undecided() -> None:
    found = compare(at({**DECIDED, "decision": None}), at(DECIDED), {}, {})

    assert found.summary.startswith("undecided → approve")
