"""What happens after a decision: the applicant answers the offer, and conditions are met.

The decision itself never changes; its record says both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Day, Flag, Moment
from data.contracts.decision import Condition, ConditionStatus
from data.contracts.quantities import Count


class OfferStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """Not answered by its last day. A counter-offer that lapses is a decline, as its letter says.
    """


class OfferState(Contract):
    """An offer, as it stands today."""

    status: OfferStatus
    expires_on: Day
    """The last day on which it can be accepted."""
    choice: Count | None = None
    """Which one was accepted: 0 is the offer, 1 the first of the alternatives, and so on."""
    answered_at: Moment | None = None
    answered_by: str = ""
    """Who entered the answer of the applicant; empty on a desk without keys."""


class OfferAnswer(Contract):
    """The applicant's answer to an offer."""

    accept: Flag
    choice: Annotated[Count, Field(le=3)] = 0
    """0 for the offer, 1 for the first of its alternatives, and so on."""


class ConditionState(Condition):
    """A condition, as it stands today."""

    changed_at: Moment | None = None
    """None while it stands as the decision has it."""
    changed_by: str = ""


class ConditionChange(Contract):
    """That a condition was met, was waived, or was not met by what came in."""

    status: ConditionStatus
