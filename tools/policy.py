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

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from data.contracts.base import sha256_of
from data.contracts.errors import ToolError
from data.contracts.facts import TERM_FACTS, PolicyFacts
from data.contracts.findings import KeyFactor
from data.contracts.policy import (
    Cap,
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
from tools.policy_bands import is_in_force
from tools.policy_expressions import comparisons, holds
from tools.policy_pack import load_pack

MOST_REASONS = 4
"""More than four principal reasons are not likely to help the applicant (Regulation B)."""

_GATE = "underwriter"


def load_policy(data_dir: Path, name: str = "personal-loan") -> RulePack:
    """Read `policy/<name>.yaml` and refuse a pack that must not decide.

    Raises RecordNotFoundError, RecordCorruptError, or PolicyRefusedError naming file, rule and
    field.
    """
    return load_pack(data_dir / "policy" / f"{name}.yaml")


@lru_cache(maxsize=16)
def pack_sha256(pack: RulePack) -> str:
    """The digest of a rule pack. A run pins it."""
    return sha256_of(pack)


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
        if rule.severity is Severity.HARD and holds(rule.when, facts)
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
        and holds(rule.when, facts)
        for rule in _rules_in_force(pack, as_of)
    )


def principal_reasons(reasons: Iterable[ReasonCode]) -> tuple[ReasonCode, ...]:
    """At most four different reasons that a notice may show, in their order."""
    shown = dict.fromkeys(
        on_notice for reason in reasons if (on_notice := reason.on_notice) is not None
    )
    return tuple(shown)[:MOST_REASONS]


def _rules_in_force(pack: RulePack, day: date) -> list[Rule]:
    rules = [rule for rule in pack.rules if is_in_force(rule, day)]
    if not rules:
        raise ToolError("no rule of the pack is in force on the as-of date")
    return rules


@lru_cache(maxsize=16)
def _facts_used(pack: RulePack) -> dict[str, tuple[str, ...]]:
    """The names of the facts that each rule compares, by the rule's id."""
    return {
        rule.id: tuple(comparison.fact for comparison in comparisons(rule.when))
        for rule in pack.rules
    }


def _result(rule: Rule, facts: PolicyFacts, used: tuple[str, ...]) -> RuleResult:
    is_hit = holds(rule.when, facts)
    status = RuleStatus.HIT if is_hit else RuleStatus.NOT_HIT
    return RuleResult(
        rule_id=rule.id,
        rule_version=rule.version,
        status=RuleStatus.NOT_EVALUABLE if is_hit is None else status,
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
