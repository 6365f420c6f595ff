"""Compare the two arms of a canary, and say what a promotion still needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from data.contracts.canary import (
    CanaryMetric,
    Comparison,
    Evidence,
    Guard,
    GuardResult,
    GuardState,
    Interval,
    Measured,
)
from data.contracts.what_if import Verdict
from tools import intervals

_SHARES: dict[CanaryMetric, Callable[[Measured], bool | None]] = {
    CanaryMetric.APPROVAL_RATE: lambda case: case.verdict is Verdict.APPROVE,
    CanaryMetric.DECLINE_RATE: lambda case: case.verdict is Verdict.DECLINE,
    CanaryMetric.REFERRAL_RATE: lambda case: case.is_referred,
    CanaryMetric.ERROR_RATE: lambda case: case.verdict is Verdict.FAILED,
    CanaryMetric.OVERRIDE_RATE: lambda case: case.is_overridden if case.is_ruled else None,
}
"""Whether a case counts; None for a case that the metric is not about."""

_MEANS: dict[CanaryMetric, Callable[[Measured], float | None]] = {
    CanaryMetric.LOSS_RATE: lambda case: _as_float(case.loss_rate),
    CanaryMetric.PRICE: lambda case: _as_float(case.rate),
    CanaryMetric.SECONDS: lambda case: case.seconds,
    CanaryMetric.COST_USD: lambda case: case.cost_usd,
}


def compare(champion: Sequence[Measured], challenger: Sequence[Measured]) -> tuple[Comparison, ...]:
    """Every metric in both arms, with the difference."""
    return tuple(_compared(metric, champion, challenger) for metric in CanaryMetric)


def guard_results(evidence: Evidence, comparisons: Sequence[Comparison]) -> tuple[GuardResult, ...]:
    """What the cases so far say about each guard."""
    return tuple(
        GuardResult(guard=guard.said, state=_state(guard, _difference(comparisons, guard.metric)))
        for guard in evidence.guards
    )


def missing_evidence(
    evidence: Evidence,
    cases: Sequence[int],
    comparisons: Sequence[Comparison],
    approvals: int,
) -> tuple[str, ...]:
    """What a promotion still needs, in words. `cases` are the measured ones in each arm."""
    missing = []
    if min(cases) < evidence.min_cases:
        missing.append(f"cases: {min(cases)} of {evidence.min_cases} in the smaller arm")
    for metric in evidence.better:
        found = _difference(comparisons, metric)
        if not _is_better(metric, found):
            missing.append(f"{metric.value} is not better: difference {_said(found)}")
    for guard in evidence.guards:
        found = _difference(comparisons, guard.metric)
        if (state := _state(guard, found)) is not GuardState.MET:
            missing.append(f"guard {guard.said} is {state.value}: difference {_said(found)}")
    if approvals < evidence.approvals:
        missing.append(f"approvals: {approvals} of {evidence.approvals} people")
    return tuple(missing)


def _compared(
    metric: CanaryMetric, champion: Sequence[Measured], challenger: Sequence[Measured]
) -> Comparison:
    if metric in _SHARES:
        hits, base = (_flags(metric, cases) for cases in (challenger, champion))
        return Comparison(
            metric=metric,
            champion=intervals.share(sum(base), len(base)),
            challenger=intervals.share(sum(hits), len(hits)),
            difference=intervals.difference_of_shares(
                *(sum(hits), len(hits)), *(sum(base), len(base))
            ),
        )
    here, there = (_values(metric, cases) for cases in (challenger, champion))
    return Comparison(
        metric=metric,
        champion=intervals.mean(there),
        challenger=intervals.mean(here),
        difference=intervals.difference_of_means(here, there),
    )


def _flags(metric: CanaryMetric, cases: Sequence[Measured]) -> list[bool]:
    return [flag for case in cases if (flag := _SHARES[metric](case)) is not None]


def _values(metric: CanaryMetric, cases: Sequence[Measured]) -> list[float]:
    return [value for case in cases if (value := _MEANS[metric](case)) is not None]


def _difference(comparisons: Sequence[Comparison], metric: CanaryMetric) -> Interval:
    return next(found.difference for found in comparisons if found.metric is metric)


def _is_better(metric: CanaryMetric, difference: Interval) -> bool:
    if difference.low is None or difference.high is None:
        return False
    return difference.low > 0 if metric.better > 0 else difference.high < 0


def _state(guard: Guard, difference: Interval) -> GuardState:
    if difference.low is None or difference.high is None:
        return GuardState.UNCLEAR
    if guard.at_most is not None:
        bound = float(guard.at_most)
        is_met, is_broken = difference.high <= bound, difference.low > bound
    else:
        bound = float(guard.at_least or 0)
        is_met, is_broken = difference.low >= bound, difference.high < bound
    if is_met:
        return GuardState.MET
    return GuardState.BROKEN if is_broken else GuardState.UNCLEAR


def _said(found: Interval) -> str:
    if found.low is None or found.high is None:
        return "not known"
    return f"{found.value:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _as_float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
