"""Score every row of a CSV with a fitted model, and write the rows with their results."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from data.contracts.errors import ContractViolationError
from data.contracts.fitted import FittedChallenger, FittedScorecard
from tools.modelling.evaluate import (
    Row,
    blend_log_odds,
    challenger_log_odds,
    probability,
    reasons_of,
    score_of,
    scorecard_log_odds,
)
from tools.modelling.table import Table

RESULTS = ("pd", "score", "reason_1", "reason_2", "reason_3", "reason_4")
CHALLENGER_RESULTS = ("pd_challenger", "pd_blend")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def score_table(
    table: Table, card: FittedScorecard, challenger: FittedChallenger | None = None
) -> Iterator[tuple[str, ...]]:
    """The results of each row, in the order of `RESULTS` and `CHALLENGER_RESULTS`.

    Raises ContractViolationError, which names a column that the model needs and the table lacks.
    """
    needed = [attribute.name for attribute in card.attributes]
    needed += [feature.name for feature in challenger.features] if challenger else []
    if lacking := sorted(set(needed) - set(table.columns)):
        raise ContractViolationError(
            f"{table.name} lacks the column {lacking[0]!r} of the model"
            + (f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else "")
            + ": score a file with the columns of the fit"
        )
    for at in range(table.rows):
        yield _results({name: table.columns[name][at] for name in needed}, card, challenger)


def write_scored(
    path: Path, table: Table, card: FittedScorecard, challenger: FittedChallenger | None = None
) -> int:
    """Write the table with its results, and return the number of rows.

    A result takes the place of a column of its name.
    """
    added = RESULTS + (CHALLENGER_RESULTS if challenger else ())
    kept = [name for name in table.columns if name not in added]
    results = list(score_table(table, card, challenger))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*map(_safe, kept), *added])
        for at, found in enumerate(results):
            writer.writerow([*(_safe(table.columns[name][at] or "") for name in kept), *found])
    return table.rows


def _results(
    row: Row, card: FittedScorecard, challenger: FittedChallenger | None
) -> tuple[str, ...]:
    log_odds = scorecard_log_odds(card, row)
    reasons = [_safe(reason) for reason in reasons_of(card, row)]
    found = (
        f"{probability(log_odds):.10f}",
        f"{score_of(card, log_odds):.4f}",
        *reasons,
        *[""] * (4 - len(reasons)),
    )
    if challenger is None:
        return found
    other = challenger_log_odds(challenger, row)
    blend = blend_log_odds(log_odds, other)
    return (*found, f"{probability(other):.10f}", f"{probability(blend):.10f}")


def _safe(cell: str) -> str:
    """A cell that a spreadsheet does not run as a formula. Numbers stay as they are."""
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return cell if len(cell) == 1 else f"'{cell}"
    return cell
