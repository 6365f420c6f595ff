"""A policy pack with a mistake is refused at load."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.contracts.errors import PackProblem, PolicyRefusedError
from data.settings import Settings
from tools.policy import load_policy

DATA = Settings().data_dir


def _rule(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(pack: dict[str, Any]) -> None:
        pack["rules"][0].update(changes)

    return change


def _without(field: str) -> Callable[[dict[str, Any]], None]:
    def change(pack: dict[str, Any]) -> None:
        del pack["rules"][0][field]

    return change


def _twice(pack: dict[str, Any]) -> None:
    pack["rules"].append(pack["rules"][0])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_without("reason"), "sanctions-true-match: reason"),
        (_twice, "given twice"),
        (_rule(reason="R42"), "sanctions-true-match: reason"),
        (_rule(colour="blue"), "sanctions-true-match: colour"),
        (_rule(when={"fact": "shoe_size", "op": "gt", "value": 9}), "no such fact"),
        (_rule(when={"fact": "pd", "op": "about", "value": 0.1}), "sanctions-true-match: when"),
        (_rule(when={"fact": "pd", "op": "gt", "value": "high"}), "needs a number"),
        (_rule(when={"fact": "pd", "op": "in", "value": ["0.1"]}), "needs a number"),
        (_rule(when={"fact": "pd", "op": "missing", "value": 1}), "takes no value"),
        (_rule(when={"fact": "thin_file", "op": "eq", "value": "yes"}), "true or false"),
        (_rule(when={"fact": "fraud_band", "op": "eq", "value": "sky-high"}), "ever has"),
        (_rule(when={"fact": "fraud_band", "op": "gt", "value": "low"}), "no order"),
        (_rule(when={"fact": "state", "op": "in", "value": "IL"}), "needs a list"),
        (_rule(when={"fact": "bureau_alerts", "op": "eq", "value": "x"}), "contains"),
        (_rule(when={"fact": "bureau_alerts", "op": "contains", "value": "x"}), "ever has"),
        (_rule(when={"fact": "state", "op": "contains", "value": "IL"}), "needs a list"),
        (_rule(when={"all": []}), "sanctions-true-match: when"),
        (_rule(outcome="cap"), "cap_fact"),
        (_rule(cap_fact="pd"), "cap_fact"),
        (_rule(outcome="cap", cap_fact="grade"), "not an amount"),
        (_rule(outcome="cap", cap_fact="pd"), "not an amount"),
        (_rule(outcome="cap", cap_fact="shoe_size"), "not an amount"),
        (_rule(outcome="stipulate"), "says what is asked for"),
        (_rule(stipulation={"code": "x", "text": "x"}), "asks for something"),
        (_rule(effective_to="2020-01-01"), "ends before"),
        (_rule(gate="underwriter"), "hard decline"),
        (_rule(gate="complience"), "sanctions-true-match: gate"),
        (_rule(owner=" "), "owner: a rule needs an owner"),
        (_without("owner"), "sanctions-true-match: owner"),
        (_without("effective_from"), "sanctions-true-match: effective_from"),
        (_rule(reason="R99"), "reason: 'Other' tells an applicant nothing"),
        (_rule(when={"fact": "pd", "op": "gt", "value": 0.9}), "reason: only a match of the watch"),
        (_rule(when={"fact": "sex", "op": "eq", "value": "f"}), "sex: a prohibited basis"),
        (_rule(when={"fact": "marital_status", "op": "missing"}), "marital_status: a prohibited"),
        (_rule(when={"fact": "youngest_age", "op": "ge", "value": 62}), "youngest_age: age is for"),
        (_rule(when={"fact": "zip3", "op": "eq", "value": "606"}), "zip3: a place"),
    ],
)
def test_a_pack_with_a_mistake_is_refused_at_load(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    refused = _refused(tmp_path, change)

    assert re.search(why, "\n".join(map(str, refused.problems)))
    assert "personal-loan.yaml" in str(refused)


def _refused(folder: Path, change: Callable[[dict[str, Any]], None]) -> PolicyRefusedError:
    """The refusal of the shipped pack with a change."""
    pack = yaml.safe_load((DATA / "policy" / "personal-loan.yaml").read_text())
    change(pack)
    (folder / "policy").mkdir()
    (folder / "policy" / "personal-loan.yaml").write_text(yaml.safe_dump(pack))
    with pytest.raises(PolicyRefusedError) as refused:
        load_policy(folder)
    return refused.value


def _of(rule_id: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(pack: dict[str, Any]) -> None:
        next(rule for rule in pack["rules"] if rule["id"] == rule_id).update(changes)

    return change


def _between(fact: str, low: float, high: float) -> dict[str, Any]:
    ends = (("gt", low), ("le", high))
    return {"all": [{"fact": fact, "op": op, "value": value} for op, value in ends]}


@pytest.mark.parametrize(
    ("rule", "changes", "problem"),
    [
        pytest.param(
            "pd-elevated",
            {"when": _between("pd", 0.059999, 0.10)},
            PackProblem("pd-elevated", "pd", "gap: no rule covers 0.100001 to 0.12"),
            id="refer 6-10 %, decline above 12 %",
        ),
        pytest.param(
            "pd-elevated",
            {"when": _between("pd", 0.059999, 0.13)},
            PackProblem(
                "pd-above-limit",
                "pd",
                "overlaps with rule pd-elevated: both cover 0.120001 to 0.13",
            ),
            id="refer 6-13 %, decline above 12 %",
        ),
        pytest.param(
            "bureau-score-low",
            {"when": _between("bureau_score", 589, 639)},
            PackProblem(
                "bureau-score-below-minimum", "bureau_score", "gap: no rule covers 580 to 589"
            ),
            id="a gap between whole numbers",
        ),
        pytest.param(
            "pd-above-limit",
            {"effective_to": "2026-12-31"},
            PackProblem("pd-elevated", "pd", "gap: no rule covers 0.120001 to 1"),
            id="a gap from a later day on",
        ),
        pytest.param(
            "amount-above-automatic-authority",
            {"when": _between("amount_requested", 35000, 49999.99)},
            PackProblem(
                "amount-above-automatic-authority",
                "amount_requested",
                "gap: no rule covers 50000",
            ),
            id="a gap of one cent",
        ),
        pytest.param(
            "fraud-elevated",
            {"when": {"fact": "fraud_band", "op": "eq", "value": "medium"}},
            PackProblem("fraud-elevated", "fraud_band", "gap: no rule covers high"),
            id="a gap between words with an order",
        ),
        pytest.param(
            "fraud-elevated",
            {"when": {"fact": "fraud_band", "op": "ne", "value": "low"}},
            PackProblem(
                "fraud-critical",
                "fraud_band",
                "overlaps with rule fraud-elevated: both cover critical",
            ),
            id="an overlap of words with an order",
        ),
    ],
)
def test_gaps_and_overlaps_are_named_with_rule_and_fact(
    tmp_path: Path, rule: str, changes: dict[str, Any], problem: PackProblem
) -> None:
    assert _refused(tmp_path, _of(rule, **changes)).problems == (problem,)


@pytest.mark.parametrize(
    ("rule", "changes", "field"),
    [
        ("sanctions-true-match", {"severity": "soft"}, "watchlist_status"),
        ("below-legal-age", {"severity": "soft"}, "years_below_capacity"),
        (
            "below-legal-age",
            {"when": {"fact": "years_below_capacity", "op": "gt", "value": 1}},
            "years_below_capacity",
        ),
        ("outside-lending-area", {"severity": "soft"}, "state"),
        (
            "outside-lending-area",
            {"when": {"fact": "state", "op": "in", "value": ["HI", "AK"]}},
            "state",
        ),
        ("no-street-address", {"severity": "soft"}, "street_address"),
        ("covered-borrower-unknown", {"outcome": "stipulate"}, "covered_borrower"),
        (
            "identity-not-checked",
            {"when": {"fact": "identity_status", "op": "missing"}},
            "watchlist_status",
        ),
        ("sanctions-true-match", {"effective_to": "2027-01-01"}, "watchlist_status"),
        ("watchlist-potential-match", {"severity": "soft"}, "watchlist_status"),
        ("watchlist-potential-match", {"gate": "underwriter"}, "watchlist_status"),
        ("watchlist-potential-match", {"gate": None}, "watchlist_status"),
    ],
)
def test_a_pack_without_an_answer_that_the_law_demands_is_refused(
    tmp_path: Path, rule: str, changes: dict[str, Any], field: str
) -> None:
    problems = _refused(tmp_path, _of(rule, **changes)).problems

    demanded = [problem for problem in problems if problem.message.startswith("no ")]
    assert [(problem.rule, problem.field) for problem in demanded] == [(rule, field)]


def test_a_pack_without_the_ages_of_capacity_is_refused(tmp_path: Path) -> None:
    def change(pack: dict[str, Any]) -> None:
        del pack["capacity"]

    assert [problem.field for problem in _refused(tmp_path, change).problems] == ["capacity"]


def test_every_problem_of_a_pack_is_named_at_once(tmp_path: Path) -> None:
    def change(pack: dict[str, Any]) -> None:
        del pack["rules"][0]["owner"]
        pack["rules"][1]["reason"] = "R42"
        pack["affordability"]["dti_cap"] = 2

    named = {(problem.rule, problem.field) for problem in _refused(tmp_path, change).problems}

    assert named == {
        ("sanctions-true-match", "owner"),
        ("below-legal-age", "reason"),
        ("", "affordability/dti_cap"),
    }
