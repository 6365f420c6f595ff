"""One probability of default from several models, its grade, and the expected loss.

Members are combined by the mean of their log-odds, so that a member close to 0 or 1 counts more
than in a plain mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from data.contracts.decision import Grade
from data.contracts.errors import ToolError
from data.contracts.findings import KeyFactor, MemberFinding
from data.contracts.policy import ReasonCode
from data.contracts.scorecard import Ensemble
from data.rounding import cents, four_places, rate
from tools.base import tool
from tools.versioned_data import load_versioned


@dataclass(frozen=True)
class CombinedRisk:
    """The combined result of the members."""

    pd: Decimal
    grade: Grade
    disagreement: Decimal | None
    """The largest gap between two members' log-odds; None with a single member."""


def load_ensemble(data_dir: Path) -> Ensemble:
    """Read `models/ensemble-v1.json`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "models" / "ensemble-v1.json", Ensemble)


@tool()
def combine_probabilities(pds: Sequence[Decimal], ensemble: Ensemble) -> CombinedRisk:
    """Combine the members' probabilities of default.

    Raises ToolError without members, or when a probability is not strictly between 0 and 1.
    """
    if not pds or not all(0 < pd < 1 for pd in pds):
        raise ToolError("a probability of default must lie strictly between 0 and 1")
    log_odds = [math.log(pd / (1 - pd)) for pd in pds]
    pd = rate(1 / (1 + math.exp(-math.fsum(log_odds) / len(log_odds))))
    gap = rate(max(log_odds) - min(log_odds)) if len(pds) > 1 else None
    return CombinedRisk(pd, grade_of(pd, ensemble), gap)


def blended_factors(members: Sequence[MemberFinding]) -> tuple[KeyFactor, ...]:
    """The attributes that lowered the blend, the most expensive first.

    Members count alike in the mean of the log-odds. So an attribute costs the blend the mean of
    what it costs the members, in points of the first member's card; a card that has no such
    attribute loses nothing by it. Attributes that cost the same keep the order of their names.
    """
    lost: dict[tuple[str, ReasonCode], Decimal] = {}
    for member in members:
        scale = (members[0].pdo or Decimal(1)) / (member.pdo or Decimal(1)) / len(members)
        for factor in member.top_factors:
            key = (factor.attribute, factor.code)
            lost[key] = lost.get(key, Decimal(0)) + factor.points_lost * scale
    ranked = sorted(lost.items(), key=lambda found: (-found[1], found[0][0]))
    return tuple(
        KeyFactor(attribute=attribute, code=code, points_lost=four_places(points))
        for (attribute, code), points in ranked
    )


def grade_of(pd: Decimal, ensemble: Ensemble) -> Grade:
    """The risk grade of a probability. A bound belongs to the worse grade."""
    return next(
        band.grade for band in ensemble.bands if band.pd_below is None or pd < band.pd_below
    )


def expected_loss(pd: Decimal, amount: Decimal, ensemble: Ensemble) -> Decimal:
    """Expected loss in dollars: probability * loss given default * amount."""
    return cents(pd * ensemble.loss_given_default * amount)
