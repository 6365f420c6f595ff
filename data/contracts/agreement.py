"""How often people follow what the policy recommends, and why they do not. Without names."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from data.contracts.base import Contract, Day
from data.contracts.decision import Outcome
from data.contracts.policy import Recommendation
from data.contracts.quantities import Count


class ReasonCount(Contract):
    """How often people gave a reason code of their form."""

    reason_code: str
    cases: Count


class Agreement(Contract):
    """The decided cases with one recommendation on which people have ruled."""

    recommendation: Recommendation
    cases: Count
    followed: Count | None
    """Cases that ended as recommended; None for `refer`, which leaves the case to people."""
    overridden: Count
    """Cases in which people granted what the policy would decline."""
    outcomes: dict[Outcome, Count]
    reasons: tuple[ReasonCount, ...] = ()
    """The codes of their rulings, the most frequent first."""


class AgreementReport(Contract):
    """The rulings of one period, by the day of the decision (UTC); `until` is not in it."""

    since: Day
    until: Day
    cases: Count
    """Decided cases on which a person has ruled."""
    follow_rate: Decimal | None
    """Followed over all cases with a recommendation of approve, decline, counter-offer or
    incomplete, to four places; None without such a case."""
    second_approvals: Count
    """Cases that a second person was asked about."""
    second_refusals: Count
    """Those in which the second person did not agree with the first."""
    recommendations: tuple[Agreement, ...] = Field(default=())


class Precision(Contract):
    """Of the cases with one sign whose signs were checked: how many were fraud."""

    name: str
    """A band, the code of a signal, or `total`."""
    confirmed: Count
    false_positives: Count
    precision: Decimal | None
    """Confirmed over checked, to four places; None where none was checked."""


class FraudPrecisionReport(Contract):
    """What underwriters found about signs of fraud, by the day of the decision (UTC)."""

    since: Day
    until: Day
    total: Precision
    bands: tuple[Precision, ...]
    signals: tuple[Precision, ...]
    """A case with several signals counts at each."""
