"""The files of a fitted model: one folder, readable JSON, the same bytes for the same fit."""

from __future__ import annotations

from pathlib import Path

from data.contracts.base import Contract
from data.contracts.errors import RecordNotFoundError
from data.contracts.fitted import FittedChallenger, FittedScorecard
from tools.modelling.derivation import Derivation, load_derivation
from tools.modelling.validation import Validation
from tools.versioned_data import load_versioned

SCORECARD, CHALLENGER = "scorecard.json", "challenger.json"
VALIDATION, ATTRIBUTES = "validation.json", "attributes.json"


def write_model(folder: Path, name: str, model: Contract, indent: int | None = 1) -> Path:
    """Write a model, and make the folder when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(model.model_dump_json(indent=indent) + "\n", encoding="utf-8")
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


def read_derivation(folder: Path) -> Derivation | None:
    """Read the derivation that the model was fitted with; None where it had none."""
    path = folder / ATTRIBUTES
    return load_derivation(path) if path.exists() else None


def read_validation(folder: Path) -> Validation:
    """Read the evidence of a folder. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(folder / VALIDATION, Validation)


def clear_model(folder: Path) -> None:
    """Remove the files of an older fit: its challenger must not stand beside a new card."""
    for name in (SCORECARD, CHALLENGER, VALIDATION, ATTRIBUTES):
        (folder / name).unlink(missing_ok=True)
