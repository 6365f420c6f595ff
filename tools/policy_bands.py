"""Gaps and overlaps between the bands that the rules of a pack make of a fact with an order.

A rule covers an interval of a fact when that fact alone makes it hit, whatever the other facts
are. The intervals are computed from the comparisons over the whole axis, in units of the smallest
step between two values, so no value lies between those that were looked at. Words with an order,
such as the band of the fraud score, count by their places.

- An **overlap** is an interval that two rules cover: one value would get two answers.
- A **gap** is an interval that no rule covers and that is worse than one that a rule covers: a
  worse value would be approved. Where a pack can be content with values in the middle (an amount
  neither too small nor too large), the widest interval that no rule covers is no gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations
from typing import NamedTuple, assert_never

from data.contracts.errors import PackProblem
from data.contracts.facts import Axis, PolicyFacts, axis_of
from data.contracts.policy import AllOf, AnyOf, Comparison, Expression, Operator, Rule
from tools.policy_expressions import compares


class Interval(NamedTuple):
    """The steps from the first to the last, both included. The ends may be infinite."""

    first: float
    last: float


class Band(NamedTuple):
    """An interval that a rule covers."""

    interval: Interval
    rule: Rule


def band_problems(rules: Sequence[Rule]) -> Iterator[PackProblem]:
    """Every gap and overlap, on any day, in any fact with an order."""
    seen: set[PackProblem] = set()
    for day in days_of_change(rules):
        in_force = [rule for rule in rules if is_in_force(rule, day)]
        for fact in PolicyFacts.model_fields:
            axis = axis_of(fact)
            for problem in _problems_of(fact, axis, in_force) if axis else ():
                if problem not in seen:
                    seen.add(problem)
                    yield problem


def days_of_change(rules: Sequence[Rule]) -> list[date]:
    """The days on which another set of rules comes into force, in order."""
    begins = {rule.effective_from for rule in rules}
    ends = {rule.effective_to + timedelta(days=1) for rule in rules if rule.effective_to}
    return sorted(begins | ends)


def is_in_force(rule: Rule, day: date) -> bool:
    return rule.effective_from <= day and (rule.effective_to is None or day <= rule.effective_to)


def covered(expression: Expression, fact: str, axis: Axis) -> tuple[Interval, ...]:
    """The intervals of a fact that make an expression true, whatever the other facts are."""
    match expression:
        case Comparison():
            return _of_comparison(expression, axis) if expression.fact == fact else ()
        case AllOf():
            found = covered(expression.all[0], fact, axis)
            for part in expression.all[1:]:
                found = _in_both(found, covered(part, fact, axis))
            return found
        case AnyOf():
            return _joined(
                interval for part in expression.any for interval in covered(part, fact, axis)
            )
        case _:
            assert_never(expression)


def uncovered(intervals: Sequence[Interval], axis: Axis) -> tuple[Interval, ...]:
    """The intervals of an axis that none of the given ones reaches, in order."""
    free: list[Interval] = []
    start, end = _ends(axis)
    for interval in _joined(intervals):
        if interval.first > start:
            free.append(Interval(start, interval.first - 1))
        if interval.last >= end:
            return tuple(free)
        start = interval.last + 1
    return (*free, Interval(start, end))


def described(interval: Interval, axis: Axis) -> str:
    """An interval in the fact's own unit: `0.100001 to 0.12`, `580 and more`."""
    if axis.words:
        return ", ".join(axis.words[int(interval.first) : int(interval.last) + 1])
    first, last = (_in_unit(end, axis) for end in interval)
    if first is None or last is None:
        return "any value" if first == last else f"{last} and less" if last else f"{first} and more"
    return first if first == last else f"{first} to {last}"


def _problems_of(fact: str, axis: Axis, rules: Sequence[Rule]) -> Iterator[PackProblem]:
    by_rule = [(rule, covered(rule.when, fact, axis)) for rule in rules]
    bands = sorted(
        (Band(interval, rule) for rule, intervals in by_rule for interval in intervals),
        key=lambda band: band.interval,
    )
    yield from _overlaps(fact, axis, bands)
    yield from _gaps(fact, axis, bands)


def _overlaps(fact: str, axis: Axis, bands: Sequence[Band]) -> Iterator[PackProblem]:
    for one, other in combinations(bands, 2):
        both = _in_both((one.interval,), (other.interval,))
        if both and one.rule is not other.rule:
            where = described(both[0], axis)
            message = f"overlaps with rule {one.rule.id}: both cover {where}"
            yield PackProblem(other.rule.id, fact, message)


def _gaps(fact: str, axis: Axis, bands: Sequence[Band]) -> Iterator[PackProblem]:
    if not bands:
        return
    start, end = _ends(axis)
    free = uncovered([band.interval for band in bands], axis)
    match axis.better:
        case "low":
            gaps = [interval for interval in free if interval.first > start]
        case "high":
            gaps = [interval for interval in free if interval.last < end]
        case _:
            content = max(free, key=lambda interval: interval.last - interval.first, default=None)
            gaps = [interval for interval in free if interval != content]
    for gap in gaps:
        beside = min(bands, key=lambda band: _distance(band.interval, gap))
        message = f"gap: no rule covers {described(gap, axis)}"
        yield PackProblem(beside.rule.id, fact, message)


def _distance(one: Interval, other: Interval) -> float:
    return max(one.first - other.last, other.first - one.last)


def _of_comparison(comparison: Comparison, axis: Axis) -> tuple[Interval, ...]:
    if axis.words:
        places = (place for place, word in enumerate(axis.words) if compares(comparison, word))
        return _joined(Interval(place, place) for place in places)
    value = comparison.value
    if comparison.op is Operator.MISSING or not isinstance(value, Decimal):
        return ()
    below, above = _steps(value, axis, ROUND_FLOOR), _steps(value, axis, ROUND_CEILING)
    start, end = _ends(axis)
    match comparison.op:
        case Operator.LT:
            found = [Interval(start, above - 1)]
        case Operator.LE:
            found = [Interval(start, below)]
        case Operator.GT:
            found = [Interval(below + 1, end)]
        case Operator.GE:
            found = [Interval(above, end)]
        case Operator.EQ:
            found = [Interval(above, below)]
        case Operator.NE:
            found = [Interval(start, above - 1), Interval(below + 1, end)]
        case _:
            found = []
    return _in_both(tuple(found), (Interval(start, end),))


def _steps(value: Decimal, axis: Axis, rounding: str) -> int:
    return int((value / axis.step).to_integral_value(rounding))


def _ends(axis: Axis) -> tuple[float, float]:
    return (
        -math.inf if axis.least is None else _steps(axis.least, axis, ROUND_CEILING),
        math.inf if axis.most is None else _steps(axis.most, axis, ROUND_FLOOR),
    )


def _in_unit(steps: float, axis: Axis) -> str | None:
    return None if math.isinf(steps) else f"{(int(steps) * axis.step).normalize():f}"


def _in_both(one: Sequence[Interval], other: Sequence[Interval]) -> tuple[Interval, ...]:
    both = (Interval(max(a.first, b.first), min(a.last, b.last)) for a in one for b in other)
    return _joined(interval for interval in both if interval.first <= interval.last)


def _joined(intervals: Sequence[Interval] | Iterator[Interval]) -> tuple[Interval, ...]:
    """The same values in intervals that neither touch nor overlap, in order."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if joined and interval.first <= joined[-1].last + 1:
            joined[-1] = Interval(joined[-1].first, max(joined[-1].last, interval.last))
        else:
            joined.append(interval)
    return tuple(joined)
