"""One fit from the table to the files of the model."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path

from data.contracts.base import Contract
from data.contracts.fitted import LeftOut
from tools.modelling.fit import Wanted, fit_scorecard, provenance_of, take_sample
from tools.modelling.logistic import load_numpy
from tools.modelling.model_files import SCORECARD, write_model
from tools.modelling.table import Table


class FitSummary(Contract):
    """What a fit says at its end."""

    rows: int
    bad_rows: int
    attributes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]

    def lines(self, folder: Path) -> list[str]:
        """The summary for a person."""
        return [
            f"{folder}: {len(self.attributes)} attributes on {self.rows:,} rows,"
            f" {self.bad_rows:,} bad"
        ]


def fit_model(table: Table, wanted: Wanted, folder: Path) -> FitSummary:
    """Fit and write. Raises ContractViolationError, and ExtraMissingError without the extra."""
    load_numpy()
    sample = take_sample(table, wanted)
    provenance = provenance_of(sample, wanted, {"numpy": version_of("numpy")})
    card = fit_scorecard(sample, provenance, wanted.version)
    write_model(folder, SCORECARD, card)
    remarks = (*provenance.remarks, f"target {wanted.target}: {provenance.bad_value!r} is bad")
    if sample.target.left_out:
        remarks += (f"target {wanted.target}: {sample.target.left_out} rows without an answer",)
    return FitSummary(
        rows=provenance.rows,
        bad_rows=provenance.bad_rows,
        attributes=tuple(attribute.name for attribute in card.attributes),
        left_out=provenance.left_out,
        remarks=remarks,
    )
