"""Confidence intervals against published figures."""

from __future__ import annotations

import pytest

from data.contracts.canary import CanaryMetric, Evidence, Guard, GuardState, Measured
from data.contracts.what_if import Verdict
from tools import intervals
from tools.canary import compare, guard_results, missing_evidence


def test_a_share_has_wilson_s_interval() -> None:
    found = intervals.share(81, 263)  # Newcombe 1998, Statistics in Medicine 17, 857, table I

    assert found.value == pytest.approx(0.3080, abs=5e-5)
    assert found.low == pytest.approx(0.2553, abs=5e-5)
    assert found.high == pytest.approx(0.3662, abs=5e-5)


def test_the_difference_of_shares_has_newcombe_s_interval() -> None:
    found = intervals.difference_of_shares(56, 70, 48, 80)  # ibid. 873, table II, method 10

    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_no_error_in_few_cases_is_no_proof_of_none() -> None:
    few, many = (intervals.difference_of_shares(0, n, 0, n) for n in (20, 2000))

    assert few.high is not None
    assert many.high is not None
    assert many.high < 0.01 < few.high


def test_means_have_intervals_from_two_values_on() -> None:
    assert intervals.mean([]).value is None
    assert intervals.mean([3.0]).low is None
    two = intervals.mean([1.0, 3.0])
    assert two.value == 2.0
    assert two.low == pytest.approx(2 - 1.959964, abs=1e-5)
    gap = intervals.difference_of_means([1.0, 3.0], [1.0, 3.0])
    assert gap.value == 0.0
    assert gap.high == pytest.approx(1.959964 * 2**0.5, abs=1e-5)


def cases(approved: int, declined: int, loss: str) -> list[Measured]:
    approval = Measured.model_validate({"verdict": "approve", "loss_rate": loss})
    return [approval] * approved + [Measured(verdict=Verdict.DECLINE)] * declined


@pytest.mark.parametrize(
    ("guard", "state"),
    [
        ("approval_rate>=-0.05", GuardState.MET),
        ("approval_rate>=0.095", GuardState.UNCLEAR),
        ("approval_rate>=0.5", GuardState.BROKEN),
        ("loss_rate<=0.02", GuardState.MET),
        ("loss_rate<=+0.001", GuardState.BROKEN),
        ("override_rate<=0.1", GuardState.UNCLEAR),
    ],
)
def test_a_guard_is_met_or_broken_only_by_the_whole_interval(guard: str, state: GuardState) -> None:
    compared = compare(cases(500, 500, "0.01"), cases(600, 400, "0.02"))

    (found,) = guard_results(Evidence(guards=(Guard.read(guard),)), compared)

    assert (found.guard, found.state) == (guard.replace("+", ""), state)


def test_what_is_missing_is_said_in_words() -> None:
    compared = compare(cases(50, 50, "0.01"), cases(50, 50, "0.01"))
    evidence = Evidence(
        min_cases=200,
        better=(CanaryMetric.APPROVAL_RATE,),
        guards=(Guard.read("loss_rate<=-0.001"),),
    )

    missing = missing_evidence(evidence, (100, 100), compared, approvals=1)

    assert [said.partition(":")[0] for said in missing] == [
        "cases",
        "approval_rate is not better",
        "guard loss_rate<=-0.001 is broken",
        "approvals",
    ]


@pytest.mark.parametrize(
    "wrong", ["loss_rate", "loss_rate<0.1", "weather<=1", "loss_rate<=1e9", "<=0.1"]
)
def test_a_guard_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"guard|metric"):
        Guard.read(wrong)


def test_a_price_can_be_guarded_and_not_be_better() -> None:
    guards = (Guard.read("price<=0.01"),)
    with pytest.raises(ValueError, match="neither more nor less"):
        Evidence(better=(CanaryMetric.PRICE,), guards=guards)
