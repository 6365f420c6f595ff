"""The record of agreement: people's rulings held against what the policy recommended.

It is computed from the decisions in the ledger, which hold both. It names no person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import sqlalchemy as sa

from data.contracts.agreement import Agreement, AgreementReport, ReasonCount
from data.contracts.decision import SYSTEM, HumanRuling, Outcome
from data.contracts.errors import ContractViolationError, Problem
from data.contracts.policy import Recommendation
from data.rounding import four_places
from flows.runtime.ledger import decisions

_USUAL_PERIOD = timedelta(days=30)
_PARTS = ("recommendation", "outcome", "rulings")


@dataclass(frozen=True)
class Period:
    """From the first day up to, and without, the last one."""

    since: date
    until: date

    @classmethod
    def of(cls, since: date | None, until: date | None) -> Period:
        """The days that were given; otherwise the 30 days up to today.

        Raises ContractViolationError when the period has no day.
        """
        until = until or datetime.now(UTC).date() + timedelta(days=1)
        since = since or until - _USUAL_PERIOD
        if since >= until:
            problem = Problem("/query/since", "period_empty", "must lie before until")
            raise ContractViolationError("the period has no day", [problem])
        return cls(since, until)

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """The two midnights in UTC."""
        first, last = (datetime.combine(day, time(), UTC) for day in (self.since, self.until))
        return first, last


@dataclass(frozen=True)
class Ruled:
    """One decided case on which people have ruled."""

    run_id: str
    recommendation: Recommendation
    outcome: Outcome
    rulings: tuple[HumanRuling, ...]


def ruled_in(connection: sa.Connection, period: Period) -> list[Ruled]:
    """The cases of a period with a recommendation and a ruling of a person."""
    found = []
    for run_id, body in decisions.parts(connection, _PARTS, *period.moments):
        rulings = tuple(
            ruling
            for ruling in map(HumanRuling.model_validate, body["rulings"] or ())
            if ruling.role != SYSTEM
        )
        if rulings and body["recommendation"]:
            recommendation = Recommendation(body["recommendation"])
            found.append(Ruled(run_id, recommendation, Outcome(body["outcome"]), rulings))
    return found


def report(connection: sa.Connection, period: Period) -> AgreementReport:
    """How often people followed the policy in a period, and why they did not."""
    cases = ruled_in(connection, period)
    recommended = [case for case in cases if case.recommendation is not Recommendation.REFER]
    followed = sum(map(_is_followed, recommended))
    second = [_second_of(case) for case in cases]
    return AgreementReport(
        since=period.since,
        until=period.until,
        cases=len(cases),
        follow_rate=four_places(Decimal(followed) / len(recommended)) if recommended else None,
        second_approvals=sum(ruling is not None for ruling in second),
        second_refusals=sum(
            ruling is not None and ruling.decision == "decline" for ruling in second
        ),
        recommendations=tuple(
            _agreement(recommendation, of_it)
            for recommendation in Recommendation
            if (of_it := [case for case in cases if case.recommendation is recommendation])
        ),
    )


def _agreement(recommendation: Recommendation, cases: Sequence[Ruled]) -> Agreement:
    left_to_people = recommendation is Recommendation.REFER
    return Agreement(
        recommendation=recommendation,
        cases=len(cases),
        followed=None if left_to_people else sum(map(_is_followed, cases)),
        overridden=sum(map(_is_overridden, cases)),
        outcomes=dict(sorted(Counter(case.outcome for case in cases).items())),
        reasons=_reasons(cases),
    )


def _reasons(cases: Iterable[Ruled]) -> tuple[ReasonCount, ...]:
    """Each code once a case, although two people may have given it."""
    given = Counter(
        code
        for case in cases
        for code in {ruling.reason_code for ruling in case.rulings if ruling.reason_code}
    )
    ranked = sorted(given.items(), key=lambda found: (-found[1], found[0]))
    return tuple(ReasonCount(reason_code=code, cases=count) for code, count in ranked)


def _is_followed(case: Ruled) -> bool:
    return case.outcome.value == case.recommendation.value


def _is_overridden(case: Ruled) -> bool:
    """Whether people granted what the policy would decline, and no second person refused it."""
    granted = case.outcome in {Outcome.APPROVE, Outcome.COUNTER_OFFER}
    return granted and any(ruling.override for ruling in case.rulings)


def _second_of(case: Ruled) -> HumanRuling | None:
    return next((ruling for ruling in case.rulings if ruling.gate == "second_approval"), None)
