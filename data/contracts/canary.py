"""A canary: a challenger bundle on a share of the traffic, and the evidence for its promotion."""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from data.contracts.base import Contract, Flag, Moment, Rate, Sha256, Slug
from data.contracts.evaluation import Evaluation
from data.contracts.quantities import Count, Share
from data.contracts.what_if import Verdict


class CanaryMode(StrEnum):
    """What the challenger may do."""

    SHADOW = "shadow"
    """It judges the cases of its share too. Its judgement is recorded and never used."""
    LIVE = "live"
    """It decides the cases of its share."""


class CanaryMetric(StrEnum):
    """What a canary compares; each is a share, a mean per case, or a mean per approval."""

    APPROVAL_RATE = "approval_rate"
    DECLINE_RATE = "decline_rate"
    REFERRAL_RATE = "referral_rate"
    """Cases about which people are asked."""
    ERROR_RATE = "error_rate"
    OVERRIDE_RATE = "override_rate"
    """Of the cases on which people ruled: those that they granted against the policy."""
    LOSS_RATE = "loss_rate"
    """Expected loss per dollar approved: probability of default, times loss given default."""
    PRICE = "price"
    """The nominal yearly rate of an approval."""
    SECONDS = "seconds"
    """From the start to the decision, of cases about which no person was asked."""
    COST_USD = "cost_usd"
    """The cost of chat models per case."""

    @property
    def better(self) -> int:
        """1 when more is better, -1 when less is, 0 when neither is by itself."""
        return _BETTER[self]


_BETTER = {
    CanaryMetric.APPROVAL_RATE: 1,
    CanaryMetric.DECLINE_RATE: -1,
    CanaryMetric.REFERRAL_RATE: -1,
    CanaryMetric.ERROR_RATE: -1,
    CanaryMetric.OVERRIDE_RATE: -1,
    CanaryMetric.LOSS_RATE: -1,
    CanaryMetric.PRICE: 0,
    CanaryMetric.SECONDS: -1,
    CanaryMetric.COST_USD: -1,
}

_GUARD = re.compile(r"([a-z_]+)\s*(<=|>=)\s*([+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?)")


class Guard(Contract):
    """A bound on the difference of a metric, challenger minus champion."""

    metric: CanaryMetric
    at_most: Rate | None = None
    at_least: Rate | None = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a guard has one bound: at_most or at_least")
        return self

    @classmethod
    def read(cls, text: str) -> Guard:
        """Read `loss_rate<=0.002`. Raises ValueError."""
        found = _GUARD.fullmatch(text.strip())
        if found is None:
            raise ValueError("a guard reads as loss_rate<=0.002 or approval_rate>=-0.05")
        metric, sign, bound = found.groups()
        name = "at_most" if sign == "<=" else "at_least"
        return cls.model_validate({"metric": metric, name: bound.removeprefix("+")})

    @property
    def said(self) -> str:
        """The guard as it is written."""
        if self.at_most is not None:
            return f"{self.metric}<={self.at_most:f}"
        return f"{self.metric}>={self.at_least:f}"


class EvaluationTerms(Contract):
    """What a report of `credit-desk evaluate` must show before a promotion."""

    model: str = ""
    """The chat model that the report is about; empty for any."""
    min_cases: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 20
    agreement: Share = Decimal(1)
    """In how many of the cases at least each field has the value that rules give it."""
    fallbacks: Share
    """How many of the texts at most the rules' own words have replaced."""
    cost_per_case_usd: Annotated[Rate, Field(ge=0)] | None = None
    """The most US dollars for one case. An unknown cost is above every limit."""


class EvaluationSeen(Contract):
    """The figures of one report, as a canary's record keeps them."""

    sha256: Sha256
    """Of the canonical JSON of the report."""
    policy_sha256: Sha256
    backend: str
    model: str
    prompt: str
    cases: Count
    texts: Count
    """How often a chat model was asked for a text."""
    least_agreed: str
    """The field that agrees least often."""
    agreement: Share
    """Of that field."""
    fallbacks: Share
    """Of the texts."""
    cost_per_case_usd: Rate | None
    """None when it is not known."""


class Evidence(Contract):
    """What a promotion needs, declared before the first case."""

    min_cases: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 500
    """Measured cases in each arm."""
    better: tuple[CanaryMetric, ...] = ()
    """The metrics in which the challenger must be better: the interval of the difference lies
    wholly on the good side of zero."""
    guards: Annotated[tuple[Guard, ...], Field(min_length=1)]
    """The whole interval of the difference must lie within each. One that lies wholly outside stops
    a live canary."""
    guard_cases: Annotated[int, Field(strict=True, ge=2, le=1_000_000)] = 50
    """Measured cases in each arm before a guard may stop a live canary."""
    approvals: Annotated[int, Field(strict=True, ge=2, le=10)] = 2
    """Different people who have to approve the promotion, after the last evaluation."""
    evaluation: Annotated[EvaluationTerms | None, Field(exclude_if=operator.not_)] = None
    """For a change of the chat model or of its prompts. None asks for no evaluation."""

    @model_validator(mode="after")
    def _better_has_a_direction(self) -> Self:
        if without := [metric.value for metric in self.better if not metric.better]:
            raise ValueError(f"{without[0]}: neither more nor less of it is better")
        return self


class StartCanary(Contract):
    """Start a canary of a bundle against what is in force."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "challenger": "autumn",
                    "mode": "shadow",
                    "share": "0.2",
                    "evidence": {
                        "better": ["approval_rate"],
                        "guards": [{"metric": "loss_rate", "at_most": "0.002"}],
                    },
                }
            ]
        }
    )

    challenger: Slug
    mode: CanaryMode = CanaryMode.SHADOW
    share: Annotated[Rate, Field(gt=0, le=Decimal("0.5"))] = Decimal("0.1")
    """The challenger's share of the applications, by a hash of their ids."""
    evidence: Evidence
    reviewer: Annotated[str, Field(max_length=100)] = ""
    """Who starts it, where no API key says so."""


class CanaryAct(Contract):
    """What a person does to a canary: approve, promote or stop it."""

    reviewer: Annotated[str, Field(max_length=100)] = ""
    """Who it is, where no API key says so."""
    reason: Annotated[str, Field(max_length=300)] = ""


class ReportEvaluation(CanaryAct):
    """Give a canary the report of `credit-desk evaluate --json`."""

    report: Evaluation


class Measured(Contract):
    """One case in one arm."""

    verdict: Verdict
    rate: Rate | None = None
    loss_rate: Rate | None = None
    seconds: float | None = None
    cost_usd: float | None = 0.0
    """None, not known, when a model of it has no price."""
    is_referred: Flag = False
    is_ruled: Flag = False
    """Whether people have ruled on it."""
    is_overridden: Flag = False


class Interval(Contract):
    """An estimate with its 95 % interval. The figures are None where no case has the metric."""

    n: Count
    value: float | None = None
    low: float | None = None
    high: float | None = None


class Comparison(Contract):
    """One metric in both arms."""

    metric: CanaryMetric
    champion: Interval
    challenger: Interval
    difference: Interval
    """Challenger minus champion."""


class GuardState(StrEnum):
    MET = "met"
    UNCLEAR = "unclear"
    """The interval holds the bound: more cases are needed."""
    BROKEN = "broken"


class GuardResult(Contract):
    """What the cases so far say about a guard."""

    guard: str
    state: GuardState


class Act(Contract):
    """An entry of a canary's record: started, approved, promoted, stopped."""

    act: str
    by: str
    by_principal: str = ""
    at: Moment
    body: dict[str, Any] = Field(default_factory=dict)


class CanaryReport(Contract):
    """A canary as `GET /canaries/{canary_id}` answers it."""

    canary_id: str
    status: str
    """`running`, `promoted` or `stopped`."""
    mode: CanaryMode
    share: float
    champion: str
    """The bundle in force at its start; empty for the files of the data folder."""
    challenger: str
    evidence: Evidence
    cases: dict[str, Count]
    """Measured cases by arm."""
    waiting: Count
    """Cases that are under way, or not measured yet."""
    comparisons: tuple[Comparison, ...]
    guards: tuple[GuardResult, ...]
    evaluation: EvaluationSeen | None = None
    """The last evaluation that it was given."""
    missing: tuple[str, ...]
    """What a promotion still needs, in words; empty when it can be promoted."""
    acts: tuple[Act, ...]
    started_at: Moment
    ended_at: Moment | None = None


class CanaryPage(Contract):
    """All canaries, the newest first."""

    items: tuple[CanaryReport, ...]
