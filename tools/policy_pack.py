"""A rule pack from its file, and everything for which the desk refuses one.

A pack is refused as a whole, with every problem: the file, the rule and the field. The contract
finds unknown fields, reasons and operators; this module finds comparisons that can never be true;
`tools/policy_bands.py` gaps and overlaps; `tools/policy_law.py` what the law demands or forbids.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from data.contracts.errors import PackProblem, PolicyRefusedError, RecordCorruptError
from data.contracts.facts import PolicyFacts, axis_of, fact_item_type, fact_type
from data.contracts.policy import (
    Comparison,
    Operator,
    ReasonCode,
    Rule,
    RuleOutcome,
    RulePack,
    Severity,
)
from tools.policy_bands import band_problems
from tools.policy_expressions import comparisons
from tools.policy_law import TEXTLESS, forbidden_in_rule, ground_against, missing_by_law
from tools.versioned_data import load_versioned, parsed

_CENT = Decimal("0.01")
_ORDERED = {Operator.LT, Operator.LE, Operator.GT, Operator.GE}
_ASKING = {RuleOutcome.STIPULATE, RuleOutcome.REFER, RuleOutcome.INCOMPLETE}
_LISTED = {Operator.IN, Operator.NOT_IN}


def load_pack(path: Path) -> RulePack:
    """Read a pack that may decide. An unchanged file is read and checked once per process.

    Raises RecordNotFoundError, RecordCorruptError for a file that is no YAML, or
    PolicyRefusedError.
    """
    try:
        pack = load_versioned(path, RulePack)
    except RecordCorruptError:
        raise _refusal(path) from None
    if problems := pack_problems(pack):
        raise PolicyRefusedError(path.name, problems)
    return pack


@lru_cache(maxsize=16)
def pack_problems(pack: RulePack) -> tuple[PackProblem, ...]:
    """The problems of a pack that its contract cannot find.

    Bands and the law are looked at when every comparison makes sense.
    """
    if problems := tuple(_language_problems(pack)):
        return problems
    return (*band_problems(pack.rules), *missing_by_law(pack))


def _refusal(path: Path) -> RecordCorruptError:
    """The error of a file that breaks the contract, with ids of rules instead of their numbers."""
    content = parsed(path)
    try:
        RulePack.model_validate(content)
    except ValidationError as error:
        problems: dict[tuple[str, str], PackProblem] = {}
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            rule, field = _named(content, found["loc"])
            problems.setdefault((rule, field), PackProblem(rule, field, found["msg"]))
        return PolicyRefusedError(path.name, tuple(problems.values()))
    return RecordCorruptError(f"{path.name}: the file has changed meanwhile")


def _named(content: Any, where: tuple[int | str, ...]) -> tuple[str, str]:
    """The id of the rule and its field, or nothing and the path of the field in the pack."""
    if len(where) < 2 or where[0] != "rules" or not isinstance(where[1], int):
        return "", "/".join(map(str, where))
    rule = content["rules"][where[1]]
    name = rule.get("id") if isinstance(rule, dict) else None
    return str(name or f"rules/{where[1]}"), str(where[2]) if len(where) > 2 else ""


def _language_problems(pack: RulePack) -> Iterator[PackProblem]:
    seen: set[str] = set()
    for rule in pack.rules:
        if rule.id in seen:
            yield PackProblem(rule.id, "id", "the id is given twice")
        seen.add(rule.id)
        yield from _rule_problems(rule)
        yield from forbidden_in_rule(rule)
        for comparison in comparisons(rule.when):
            # A forbidden name is said to be forbidden, whether or not there is such a fact.
            if ground_against(comparison.fact) is None:
                message = _comparison_problem(comparison)
                if message:
                    yield PackProblem(rule.id, comparison.fact, f"{comparison.op}: {message}")


def _rule_problems(rule: Rule) -> Iterator[PackProblem]:
    compared = {comparison.fact for comparison in comparisons(rule.when)}
    checks = (
        ("owner", not rule.owner.strip(), "a rule needs an owner"),
        ("reason", rule.reason is ReasonCode.OTHER, TEXTLESS),
        (
            "reason",
            rule.reason.on_notice is None and "watchlist_status" not in compared,
            "only a match of the watchlist may have a reason without a text",
        ),
        (
            "effective_to",
            rule.effective_to is not None and rule.effective_to < rule.effective_from,
            "it ends before it begins: effective_to is before effective_from",
        ),
        (
            "cap_fact",
            (rule.outcome is RuleOutcome.CAP) != (rule.cap_fact is not None),
            "a cap needs a cap_fact, and other outcomes must not have one",
        ),
        (
            "cap_fact",
            rule.cap_fact is not None and not _is_amount(rule.cap_fact),
            f"{rule.cap_fact} is not an amount",
        ),
        (
            "stipulation",
            rule.outcome is RuleOutcome.STIPULATE and rule.stipulation is None,
            "a stipulation says what is asked for: add `stipulation`",
        ),
        (
            "stipulation",
            rule.outcome not in _ASKING and rule.stipulation is not None,
            "a rule that asks for something needs the outcome stipulate, refer or incomplete",
        ),
        (
            "gate",
            rule.outcome is RuleOutcome.DECLINE
            and rule.severity is Severity.HARD
            and rule.gate is not None,
            "a hard decline must not name a gate",
        ),
    )
    yield from (PackProblem(rule.id, field, message) for field, wrong, message in checks if wrong)


def _is_amount(fact: str) -> bool:
    axis = axis_of(fact) if fact in PolicyFacts.model_fields else None
    return axis is not None and axis.step == _CENT


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
