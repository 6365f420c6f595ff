"""One probability of default from several models, the grade it earns, and what it may cost.

Members are combined by the mean of their log-odds, so that a confident member counts more
near 0 and 1 than a plain mean would let it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from data.contracts.decision import Grade
from data.contracts.errors import ToolError
from data.contracts.scorecard import Ensemble
from tools.amortization import to_cents
from tools.base import tool
from tools.versioned_data import load_versioned

_SIX_PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class CombinedRisk:
    """What the members say together."""

    pd: Decimal
    grade: Grade
    disagreement: Decimal | None
    """The largest gap between two members' log-odds; None when only one has spoken."""


def load_ensemble(data_dir: Path) -> Ensemble:
    """Read `models/ensemble-v1.json`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "models" / "ensemble-v1.json", Ensemble)


@tool()
def combine_probabilities(pds: Sequence[Decimal], ensemble: Ensemble) -> CombinedRisk:
    """Combine the members' probabilities of default.

    Raises ToolError when there are none or one is not strictly between 0 and 1.
    """
    if not pds or not all(0 < pd < 1 for pd in pds):
        raise ToolError("a probability of default lies strictly between 0 and 1")
    log_odds = [math.log(pd / (1 - pd)) for pd in pds]
    pd = _six_places(1 / (1 + math.exp(-math.fsum(log_odds) / len(log_odds))))
    gap = _six_places(max(log_odds) - min(log_odds)) if len(pds) > 1 else None
    return CombinedRisk(pd, grade_of(pd, ensemble), gap)


def grade_of(pd: Decimal, ensemble: Ensemble) -> Grade:
    """The risk grade whose band holds this probability; a bound belongs to the worse grade."""
    return next(
        band.grade for band in ensemble.bands if band.pd_below is None or pd < band.pd_below
    )


def expected_loss(pd: Decimal, amount: Decimal, ensemble: Ensemble) -> Decimal:
    """Expected loss in dollars: probability, times loss given default, times amount."""
    return to_cents(pd * ensemble.loss_given_default * amount)


def _six_places(value: float) -> Decimal:
    return Decimal(value).quantize(_SIX_PLACES, ROUND_HALF_UP)
