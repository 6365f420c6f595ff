"""Hold an evaluation of a chat model to what a canary has declared."""

from __future__ import annotations

from decimal import Decimal

from data.contracts.base import sha256_of
from data.contracts.canary import EvaluationSeen, EvaluationTerms
from data.contracts.evaluation import Evaluation
from data.rounding import rate


def seen(report: Evaluation) -> EvaluationSeen:
    """The figures of a report that a canary looks at, with the report's digest."""
    shares = {name: found.agreed / found.cases for name, found in report.fields.items()}
    least = min(shares, key=lambda name: shares[name], default="")
    texts = sum(agent.texts for agent in report.agents.values())
    fallbacks = sum(sum(agent.fallbacks.values()) for agent in report.agents.values())
    cost = report.total.cost_usd
    return EvaluationSeen(
        sha256=sha256_of(report),
        policy_sha256=report.policy_sha256,
        backend=report.backend,
        model=report.model,
        prompt=report.prompt,
        cases=report.cases,
        texts=texts,
        least_agreed=least,
        agreement=rate(shares.get(least, 0.0)),
        fallbacks=rate(fallbacks / texts if texts else 0.0),
        cost_per_case_usd=None if cost is None or not report.cases else rate(cost / report.cases),
    )


def missing_evaluation(
    terms: EvaluationTerms, found: EvaluationSeen | None, policy_sha256: str
) -> tuple[str, ...]:
    """What a promotion still needs of an evaluation, in words.

    `policy_sha256` is the digest of the challenger's rule pack.
    """
    if found is None:
        return ("evaluation: no report of `credit-desk evaluate`",)
    missing = []
    if found.policy_sha256 != policy_sha256:
        missing.append("evaluation: the report is about another policy than the challenger's")
    if terms.model not in {"", found.model}:
        missing.append(f"evaluation: the report is not about {terms.model}")
    if not found.texts:
        missing.append("evaluation: no chat model was asked")
    if found.cases < terms.min_cases:
        missing.append(f"evaluation: cases: {found.cases} of {terms.min_cases}")
    if found.agreement < terms.agreement:
        missing.append(
            f"evaluation: agreement of {found.least_agreed or 'no field'} is {found.agreement:f},"
            f" at least {terms.agreement:f}"
        )
    if found.fallbacks > terms.fallbacks:
        missing.append(
            f"evaluation: fallbacks are {found.fallbacks:f} of the texts,"
            f" at most {terms.fallbacks:f}"
        )
    return (*missing, *_dear(terms.cost_per_case_usd, found.cost_per_case_usd))


def _dear(most: Decimal | None, cost: Decimal | None) -> tuple[str, ...]:
    if most is None or (cost is not None and cost <= most):
        return ()
    said = "not known" if cost is None else f"{cost:f}"
    return (f"evaluation: cost per case is {said}, at most {most:f}",)
