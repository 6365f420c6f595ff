"""The conditions of rules: whether they hold for the facts of a case, and what they compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, assert_never, cast

from data.contracts.facts import PolicyFacts
from data.contracts.policy import AllOf, AnyOf, Comparison, Expression, Operator


def holds(expression: Expression, facts: PolicyFacts) -> bool | None:
    """Whether an expression is true; None when the known facts do not decide it."""
    match expression:
        case Comparison():
            return compares(expression, getattr(facts, expression.fact))
        case AllOf():
            return _together(expression.all, facts, settled_by=False)
        case AnyOf():
            return _together(expression.any, facts, settled_by=True)
        case _:
            assert_never(expression)


def holds_by(expression: Expression, fact: str, value: object) -> bool:
    """Whether the value of one fact makes an expression true, whatever the other facts are."""
    match expression:
        case Comparison():
            return expression.fact == fact and compares(expression, value) is True
        case AllOf():
            return all(holds_by(part, fact, value) for part in expression.all)
        case AnyOf():
            return any(holds_by(part, fact, value) for part in expression.any)
        case _:
            assert_never(expression)


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """Every comparison of an expression, in order."""
    match expression:
        case Comparison():
            yield expression
        case AllOf():
            for part in expression.all:
                yield from comparisons(part)
        case AnyOf():
            for part in expression.any:
                yield from comparisons(part)
        case _:
            assert_never(expression)


_SIGNS = {
    Operator.EQ: "=",
    Operator.NE: "≠",
    Operator.LT: "<",
    Operator.LE: "≤",
    Operator.GT: ">",
    Operator.GE: "≥",
    Operator.IN: "in",
    Operator.NOT_IN: "not in",
    Operator.CONTAINS: "contains",
}


def in_words(expression: Expression) -> str:
    """An expression on one line, for people."""
    match expression:
        case Comparison(op=Operator.MISSING):
            return f"{expression.fact} is missing"
        case Comparison():
            return f"{expression.fact} {_SIGNS[expression.op]} {_written(expression.value)}"
        case AllOf():
            return " and ".join(_inner(part) for part in expression.all)
        case AnyOf():
            return " or ".join(_inner(part) for part in expression.any)
        case _:
            assert_never(expression)


def _inner(part: Expression) -> str:
    return in_words(part) if isinstance(part, Comparison) else f"({in_words(part)})"


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def compares(comparison: Comparison, fact: Any) -> bool | None:
    """Whether a comparison is true of a value; None for an unknown value."""
    value = comparison.value
    if comparison.op is Operator.MISSING:
        return fact is None
    if fact is None:
        return None
    match comparison.op:
        case Operator.EQ:
            return bool(fact == value)
        case Operator.NE:
            return bool(fact != value)
        case Operator.LT:
            return bool(fact < value)
        case Operator.LE:
            return bool(fact <= value)
        case Operator.GT:
            return bool(fact > value)
        case Operator.GE:
            return bool(fact >= value)
        case Operator.IN:
            return fact in cast(tuple[str, ...], value)
        case Operator.NOT_IN:
            return fact not in cast(tuple[str, ...], value)
        case Operator.CONTAINS:
            return value in fact
        case _:
            assert_never(comparison.op)


def _together(parts: Sequence[Expression], facts: PolicyFacts, *, settled_by: bool) -> bool | None:
    """The value that settles the whole, if one part has it; None when an unknown part could."""
    is_known = True
    for part in parts:
        part_holds = holds(part, facts)
        if part_holds is settled_by:
            return settled_by
        is_known = is_known and part_holds is not None
    return not settled_by if is_known else None
