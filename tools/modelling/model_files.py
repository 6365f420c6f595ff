"""The files of a fitted model: one folder, readable JSON, the same bytes for the same fit."""

from __future__ import annotations

from pathlib import Path

from data.contracts.base import Contract
from data.contracts.errors import RecordNotFoundError
from data.contracts.fitted import FittedChallenger, FittedScorecard
from tools.versioned_data import load_versioned

SCORECARD, CHALLENGER = "scorecard.json", "challenger.json"
REPORT, VALIDATION = "report", "validation.json"


def write_model(folder: Path, name: str, model: Contract) -> Path:
    """Write a model, and make the folder when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(model.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def read_scorecard(folder: Path) -> FittedScorecard:
    """Read the card of a folder. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(folder / SCORECARD, FittedScorecard)


def read_challenger(folder: Path) -> FittedChallenger | None:
    """Read the challenger of a folder; None where none was fitted."""
    try:
        return load_versioned(folder / CHALLENGER, FittedChallenger)
    except RecordNotFoundError:
        return None
