"""The credit policy: evaluates every rule of a versioned pack on the facts of one case.

A rule is hit, not hit, or not evaluable because a fact is missing. All rules are evaluated, so
that all reasons are known. The rules that hit give the recommendation, in this order:

decline > incomplete > refer > counter_offer > approve

A decline outranks a referral. A frozen file first waits for the applicant, and only then for a
reviewer. A referral outranks a counter-offer: a counter-offer is an approval of a smaller amount,
and a reviewer must first answer the open question. A rule that is not evaluable refers the case,
unless it only adds a stipulation: an unknown fact never approves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import assert_never, cast

from data.contracts.base import sha256_of
from data.contracts.errors import RecordCorruptError, ToolError
from data.contracts.facts import TERM_FACTS, PolicyFacts, fact_item_type, fact_type
from data.contracts.findings import KeyFactor
from data.contracts.policy import (
    AllOf,
    AnyOf,
    Cap,
    Comparison,
    Expression,
    Operator,
    PolicyResult,
    ReasonCode,
    Recommendation,
    Rule,
    RuleOutcome,
    RulePack,
    RuleResult,
    RuleStatus,
    Severity,
)
from tools.base import tool
from tools.versioned_data import load_versioned

MOST_REASONS = 4
"""More than four principal reasons are not likely to help the applicant (Regulation B)."""

_ORDERED = {Operator.LT, Operator.LE, Operator.GT, Operator.GE}
_GATE = "underwriter"
_ASKING = {RuleOutcome.STIPULATE, RuleOutcome.INCOMPLETE}
_LISTED = {Operator.IN, Operator.NOT_IN}


def load_policy(data_dir: Path, name: str = "personal-loan") -> RulePack:
    """Read `policy/<name>.yaml` and refuse a pack with contradictions.

    Raises RecordNotFoundError, or RecordCorruptError naming the file and the rule.
    """
    pack = load_versioned(data_dir / "policy" / f"{name}.yaml", RulePack)
    problem = next(pack_problems(pack), None)
    if problem is not None:
        raise RecordCorruptError(f"{name}.yaml: {problem}")
    return pack


@lru_cache(maxsize=16)
def pack_sha256(pack: RulePack) -> str:
    """The digest of a rule pack. A run pins it."""
    return sha256_of(pack)


def pack_problems(pack: RulePack) -> Iterator[str]:
    """The problems of a pack that its contract cannot find, one text each."""
    seen: set[str] = set()
    for rule in pack.rules:
        if rule.id in seen:
            yield f"rule {rule.id}: the id is given twice"
        seen.add(rule.id)
        yield from (f"rule {rule.id}: {problem}" for problem in _rule_problems(rule))


def evaluate(
    pack: RulePack, facts: PolicyFacts, as_of: date, factors: Sequence[KeyFactor] = ()
) -> PolicyResult:
    """Evaluate every rule that is in force on a day.

    `factors` are the scorecards' key factors, the most expensive first. They are the reasons of
    rules that only compare a score with a limit. Raises ToolError when no rule is in force.
    """
    rules = _rules_in_force(pack, as_of)
    used = _facts_used(pack)
    results = tuple(_result(rule, facts, used[rule.id]) for rule in rules)
    hits = [
        rule for rule, result in zip(rules, results, strict=True) if result.status is RuleStatus.HIT
    ]
    caps = tuple(
        Cap(rule_id=rule.id, amount=amount)
        for rule in hits
        if rule.cap_fact and (amount := getattr(facts, rule.cap_fact)) is not None
    )
    recommendation = _recommendation(pack, hits, results, caps)
    return PolicyResult(
        recommendation=recommendation,
        results=results,
        reasons=_reasons(recommendation, hits, factors),
        refer_reasons=tuple(rule.id for rule in hits if rule.outcome is RuleOutcome.REFER),
        gates=_gates(recommendation, hits),
        caps=caps,
        stipulations=tuple(rule.stipulation for rule in hits if rule.stipulation is not None),
        pack_id=pack.id,
        pack_version=pack.version,
        pack_sha256=pack_sha256(pack),
    )


def broken_hard_rules(pack: RulePack, facts: PolicyFacts, as_of: date) -> tuple[Rule, ...]:
    """The hard rules that hit, whatever the other rules say. Raises ToolError as `evaluate`."""
    return tuple(
        rule
        for rule in _rules_in_force(pack, as_of)
        if rule.severity is Severity.HARD and _holds(rule.when, facts)
    )


evaluate_policy = tool(name="evaluate_policy")(evaluate)
"""`evaluate` as a tool: traced and recorded."""

find_broken_hard_rules = tool(name="evaluate_policy")(broken_hard_rules)
"""`broken_hard_rules` as a tool. Its span has the name of the policy's."""


def hard_stop(result: PolicyResult) -> bool:
    """Whether a hard rule declines. No reviewer may override it, so the case can end."""
    return any(
        rule.status is RuleStatus.HIT
        and rule.severity is Severity.HARD
        and rule.outcome is RuleOutcome.DECLINE
        for rule in result.results
    )


def passes_on_terms(pack: RulePack, facts: PolicyFacts, as_of: date) -> bool:
    """Whether no rule hits that could pass with another amount or term.

    Only those rules are evaluated: a search asks this of many loans. Raises ToolError when no
    rule is in force.
    """
    used = _facts_used(pack)
    return not any(
        rule.outcome is not RuleOutcome.STIPULATE
        and not TERM_FACTS.isdisjoint(used[rule.id])
        and _holds(rule.when, facts)
        for rule in _rules_in_force(pack, as_of)
    )


def principal_reasons(reasons: Iterable[ReasonCode]) -> tuple[ReasonCode, ...]:
    """At most four different reasons that a notice may show, in their order."""
    shown = dict.fromkeys(
        on_notice for reason in reasons if (on_notice := reason.on_notice) is not None
    )
    return tuple(shown)[:MOST_REASONS]


def _rules_in_force(pack: RulePack, day: date) -> list[Rule]:
    rules = [rule for rule in pack.rules if _in_force(rule, day)]
    if not rules:
        raise ToolError("no rule of the pack is in force on the as-of date")
    return rules


def _in_force(rule: Rule, day: date) -> bool:
    return rule.effective_from <= day and (rule.effective_to is None or day <= rule.effective_to)


@lru_cache(maxsize=16)
def _facts_used(pack: RulePack) -> dict[str, tuple[str, ...]]:
    """The names of the facts that each rule compares, by the rule's id."""
    return {
        rule.id: tuple(comparison.fact for comparison in _comparisons(rule.when))
        for rule in pack.rules
    }


def _result(rule: Rule, facts: PolicyFacts, used: tuple[str, ...]) -> RuleResult:
    holds = _holds(rule.when, facts)
    status = RuleStatus.HIT if holds else RuleStatus.NOT_HIT
    return RuleResult(
        rule_id=rule.id,
        rule_version=rule.version,
        status=RuleStatus.NOT_EVALUABLE if holds is None else status,
        outcome=rule.outcome,
        severity=rule.severity,
        reason=rule.reason,
        inputs={fact: _as_text(getattr(facts, fact)) for fact in used},
    )


def _recommendation(
    pack: RulePack, hits: Sequence[Rule], results: Iterable[RuleResult], caps: Sequence[Cap]
) -> Recommendation:
    outcomes = {rule.outcome for rule in hits}
    if RuleOutcome.DECLINE in outcomes:
        return Recommendation.DECLINE
    if RuleOutcome.INCOMPLETE in outcomes:
        return Recommendation.INCOMPLETE
    unknown = any(
        result.status is RuleStatus.NOT_EVALUABLE and result.outcome is not RuleOutcome.STIPULATE
        for result in results
    )
    if RuleOutcome.REFER in outcomes or unknown:
        return Recommendation.REFER
    if RuleOutcome.CAP in outcomes:
        too_small = any(cap.amount < pack.affordability.smallest_amount for cap in caps)
        return Recommendation.REFER if too_small or not caps else Recommendation.COUNTER_OFFER
    return Recommendation.APPROVE


_GIVES_REASONS = {
    Recommendation.DECLINE: (RuleOutcome.DECLINE, RuleOutcome.CAP),
    Recommendation.INCOMPLETE: (RuleOutcome.INCOMPLETE,),
    Recommendation.REFER: (RuleOutcome.REFER, RuleOutcome.CAP),
    Recommendation.COUNTER_OFFER: (RuleOutcome.CAP,),
    Recommendation.APPROVE: (),
}


def _reasons(
    recommendation: Recommendation, hits: Sequence[Rule], factors: Sequence[KeyFactor]
) -> tuple[ReasonCode, ...]:
    """The reasons for the recommendation: hard rules first, then in the order of the pack."""
    if any(rule.reason is ReasonCode.SANCTIONS_MATCH for rule in hits):
        return (ReasonCode.SANCTIONS_MATCH,)
    reasons: list[ReasonCode] = []
    for outcome in _GIVES_REASONS[recommendation]:
        concerned = [rule for rule in hits if rule.outcome is outcome]
        for rule in sorted(concerned, key=lambda rule: rule.severity is not Severity.HARD):
            explained = rule.explained_by_factors and factors
            reasons += [factor.code for factor in factors] if explained else [rule.reason]
    return tuple(dict.fromkeys(reasons))


def _gates(recommendation: Recommendation, hits: Sequence[Rule]) -> tuple[str, ...]:
    """The gates of a referral, or of a decline for which every declining rule names a gate."""
    if recommendation is Recommendation.REFER:
        referring = [rule for rule in hits if rule.outcome is RuleOutcome.REFER]
        return tuple(dict.fromkeys(rule.gate or _GATE for rule in referring)) or (_GATE,)
    if recommendation is Recommendation.DECLINE:
        gates = [rule.gate for rule in hits if rule.outcome is RuleOutcome.DECLINE]
        return tuple(dict.fromkeys(gate for gate in gates if gate)) if all(gates) else ()
    return ()


def _holds(expression: Expression, facts: PolicyFacts) -> bool | None:
    """Whether an expression is true; None when the known facts do not decide it."""
    match expression:
        case Comparison():
            return _compare(expression, facts)
        case AllOf():
            return _together(expression.all, facts, settled_by=False)
        case AnyOf():
            return _together(expression.any, facts, settled_by=True)
        case _:
            assert_never(expression)


def _together(parts: Sequence[Expression], facts: PolicyFacts, *, settled_by: bool) -> bool | None:
    """The value that settles the whole, if one part has it; None when an unknown part could."""
    is_known = True
    for part in parts:
        holds = _holds(part, facts)
        if holds is settled_by:
            return settled_by
        is_known = is_known and holds is not None
    return not settled_by if is_known else None


def _compare(comparison: Comparison, facts: PolicyFacts) -> bool | None:
    fact, value = getattr(facts, comparison.fact), comparison.value
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


def _comparisons(expression: Expression) -> Iterator[Comparison]:
    match expression:
        case Comparison():
            yield expression
        case AllOf():
            for part in expression.all:
                yield from _comparisons(part)
        case AnyOf():
            for part in expression.any:
                yield from _comparisons(part)
        case _:
            assert_never(expression)


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def _rule_problems(rule: Rule) -> Iterator[str]:
    if rule.effective_to is not None and rule.effective_to < rule.effective_from:
        yield "it ends before it begins: effective_to is before effective_from"
    if (rule.outcome is RuleOutcome.CAP) != (rule.cap_fact is not None):
        yield "a cap needs a cap_fact, and other outcomes must not have one"
    if rule.cap_fact is not None and _kind(rule.cap_fact) is not Decimal:
        yield f"cap_fact {rule.cap_fact} is not an amount"
    if rule.outcome is RuleOutcome.STIPULATE and rule.stipulation is None:
        yield "a stipulation says what is asked for: add `stipulation`"
    if rule.outcome not in _ASKING and rule.stipulation is not None:
        yield "a rule that asks for something needs the outcome stipulate or incomplete"
    if rule.outcome is RuleOutcome.DECLINE and rule.severity is Severity.HARD and rule.gate:
        yield "a hard decline must not name a gate"
    for comparison in _comparisons(rule.when):
        problem = _comparison_problem(comparison)
        if problem:
            yield f"{comparison.fact} {comparison.op}: {problem}"


def _kind(fact: str) -> type | None:
    return fact_type(fact) if fact in PolicyFacts.model_fields else None


def _comparison_problem(comparison: Comparison) -> str | None:
    kind, op, value = _kind(comparison.fact), comparison.op, comparison.value
    if kind is None:
        return "no such fact: see data/contracts/facts.py"
    if op is Operator.MISSING:
        return None if value is None else "takes no value"
    if op is Operator.CONTAINS:
        if kind is not tuple:
            return "needs a list"
        return _text_problem(fact_item_type(comparison.fact), Operator.EQ, value)
    if kind is tuple:
        return "a list needs the operator contains"
    if kind is bool:
        fits = op in (Operator.EQ, Operator.NE) and isinstance(value, bool)
        return None if fits else "needs true or false, and eq or ne"
    if kind in (int, Decimal):
        fits = op in {*_ORDERED, Operator.EQ, Operator.NE} and isinstance(value, Decimal)
        return None if fits else "needs a number"
    return _text_problem(kind, op, value)


def _text_problem(kind: type, op: Operator, value: object) -> str | None:
    if op in _ORDERED:
        return "text has no order: use eq, ne, in or not_in"
    if isinstance(value, tuple) != (op in _LISTED):
        return "needs a list for in and not_in, and one text otherwise"
    values = value if isinstance(value, tuple) else (value,)
    allowed = {str(member) for member in kind} if issubclass(kind, StrEnum) else None
    if not all(isinstance(text, str) and (allowed is None or text in allowed) for text in values):
        return "no fact ever has this value: check the spelling"
    return None
