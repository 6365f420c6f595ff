"""The rulebook that a run decides by: policy, prices, scorecards, authority, each by version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.contracts.underwriting import Rulebook
from data.settings import settings
from flows.runtime.ledger.schemas import migrates_from
from tools.authority import load_authority
from tools.ensemble import load_ensemble
from tools.policy import load_policy
from tools.pricing import load_prices
from tools.scorecard import load_scorecard


def current_rulebook(data_dir: Path) -> Rulebook:
    """The rulebook that a run started now would pin.

    Raises RecordNotFoundError or RecordCorruptError naming the file that is missing or bad.
    """
    models = data_dir / "models"
    return Rulebook(
        policy=load_policy(data_dir),
        prices=load_prices(data_dir),
        scorecard=load_scorecard(models / "scorecard-v1.json"),
        challenger=load_scorecard(models / "challenger-v1.json"),
        ensemble=load_ensemble(data_dir),
        authority=load_authority(data_dir),
    )


@migrates_from(Rulebook, 1)
def _with_authority(pinned: dict[str, Any]) -> dict[str, Any]:
    """Before it was pinned, whoever looked read the authority that the data folder held then."""
    matrix = load_authority(settings().data_dir)
    return pinned | {"authority": matrix.model_dump(mode="json")}
