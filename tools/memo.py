"""The decision memo: one page of Markdown from the content of a decision, without names.

It has only fixed sentences and figures, so equal decisions have equal memos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from data.contracts.decision import (
    Condition,
    ConditionStatus,
    DecisionContent,
    Offer,
    RequestedTerms,
)
from data.contracts.findings import AffordabilityFinding, RiskFinding
from data.contracts.policy import RuleStatus

_STATUS = {RuleStatus.HIT: "hit", RuleStatus.NOT_EVALUABLE: "not evaluable"}


def compose_memo(content: DecisionContent, risk: RiskFinding | None) -> str:
    """Write the memo: request, findings, rules, offer, rulings and versions."""
    sections = (
        ("Decision", _decision(content)),
        ("Risk", _risk(risk)),
        ("Ability to repay", _ability(risk.ability if risk else None)),
        ("Policy", _rules(content)),
        ("Offer", _offers(content)),
        ("Conditions", map(_condition, content.conditions)),
        ("People", _people(content)),
        ("Versions", _versions(content)),
    )
    written = [(title, "\n".join(lines)) for title, lines in sections]
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in written if text) + "\n"


def percent(rate: Decimal) -> str:
    """A fraction as a percentage with two places."""
    return f"{rate * 100:.2f} %"


def dollars(amount: Decimal) -> str:
    """An amount as letters show it, for example `$1,234.50`."""
    return f"${amount:,.2f}"


def with_article(name: str) -> str:
    """An identifier as words with an article: `auto_loan` becomes `an auto loan`."""
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {_words(name)}"


def requested_loan(asked: RequestedTerms) -> str:
    """The request in words: `a personal loan of $12,000.00 over 36 months`."""
    product = with_article(asked.product)
    return f"{product} of {dollars(asked.amount)} over {asked.term_months} months"


def _decision(content: DecisionContent) -> Iterator[str]:
    asked = requested_loan(content.requested)
    yield f"Asked for, and judged as of {content.as_of_date}: {asked}."
    if content.recommendation is not None:
        yield f"The policy recommends: {_words(content.recommendation)}."
    yield f"Outcome: **{_words(content.outcome)}**."
    yield from (f"- {reason.notice_text}" for reason in content.principal_reasons)


def _risk(risk: RiskFinding | None) -> Iterator[str]:
    if risk is None or risk.pd_ensemble is None:
        return
    yield f"Probability of default {percent(risk.pd_ensemble)}, grade {risk.grade}."
    for member in risk.members:
        yield (
            f"- {member.model} {member.model_version}: {percent(member.pd)}, "
            f"{member.score:.0f} points"
        )
    if risk.expected_loss is not None:
        yield f"Expected loss {dollars(risk.expected_loss)}."


def _ability(ability: AffordabilityFinding | None) -> Iterator[str]:
    if ability is None:
        return
    yield (
        f"Payment {dollars(ability.payment)} on verified income of "
        f"{dollars(ability.verified_income)} a month."
    )
    yield (
        f"Debt to income {percent(ability.dti_before)} before, {percent(ability.dti_after)} "
        f"after, {percent(ability.dti_stressed)} stressed."
    )
    yield (
        f"Residual income {dollars(ability.residual_income)}, floor "
        f"{dollars(ability.residual_floor)}."
    )


def _rules(content: DecisionContent) -> Iterator[str]:
    listed = [result for result in content.rule_results if result.status in _STATUS]
    if not content.rule_results:
        return
    yield f"{len(content.rule_results)} rules evaluated, {len(listed)} to be named."
    if listed:
        yield "\n| rule | result | asks for | on |\n|---|---|---|---|"
    for result in listed:
        values = ", ".join(f"{name} {value or 'unknown'}" for name, value in result.inputs.items())
        yield f"| {result.rule_id} | {_STATUS[result.status]} | {result.outcome} | {values} |"


def _offers(content: DecisionContent) -> Iterator[str]:
    if content.offer is not None:
        yield _offer(content.offer)
        yield f"It stands until {content.offer.expires_on}."
    yield from (f"- or {_offer(other)}" for other in content.alternatives)


def _offer(offer: Offer) -> str:
    return (
        f"{dollars(offer.amount)} over {offer.term_months} months at {percent(offer.rate)} "
        f"(APR {percent(offer.apr)}), {dollars(offer.payment)} a month, "
        f"fee {dollars(offer.fee)}, finance charge {dollars(offer.finance_charge)}."
    )


def _condition(condition: Condition) -> str:
    is_open = condition.status is ConditionStatus.OPEN
    return f"- {condition.text}" if is_open else f"- {condition.text} ({condition.status})"


def _people(content: DecisionContent) -> Iterable[str]:
    for ruling in content.rulings:
        proof = "proven" if ruling.proven else "unproven"
        override = ", against the policy" if ruling.override else ""
        yield (
            f"- {_words(ruling.gate)}: {_words(ruling.decision)} by {with_article(ruling.role)} "
            f"({proof}), reason {ruling.reason_code}{override}"
        )


def _versions(content: DecisionContent) -> Iterator[str]:
    known = content.versions.model_dump(exclude_none=True)
    yield ", ".join(f"{_words(name)} {version}" for name, version in known.items())


def _words(name: str) -> str:
    return name.replace("_", " ")
