"""One fit from the table to the files of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

from data.contracts.base import Contract
from data.contracts.errors import ExtraMissingError
from data.contracts.fitted import LeftOut
from tools.modelling.boosting import fit_challenger
from tools.modelling.derivation import Derivation, derive_table, without_excluded
from tools.modelling.fit import Wanted, fit_scorecard, provenance_of, take_sample
from tools.modelling.model_files import (
    ATTRIBUTES,
    CHALLENGER,
    SCORECARD,
    VALIDATION,
    clear_model,
    write_model,
)
from tools.modelling.report import write_report
from tools.modelling.table import Table
from tools.modelling.target import Target
from tools.modelling.validation import Figures, cross_validate


class FitSummary(Contract):
    """The outcome of a fit."""

    rows: int
    bad_rows: int
    attributes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    cross_validated: dict[str, Figures]

    def lines(self, folder: Path) -> list[str]:
        """The summary for a person."""
        return [
            f"{folder}: {len(self.attributes)} attributes on {self.rows:,} rows,"
            f" {self.bad_rows:,} bad",
            *(
                f"{name}: AUC {figures.auc:.4f}, KS {figures.ks:.4f}, Brier {figures.brier:.4f}"
                for name, figures in self.cross_validated.items()
            ),
        ]


def fit_model(
    table: Table,
    wanted: Wanted,
    folder: Path,
    *,
    derivation: Derivation | None = None,
    with_challenger: bool = True,
) -> FitSummary:
    """Fit, cross-validate, and write model and report.

    With a derivation its attributes are the features, beside the columns of `wanted.features`.
    Raises ContractViolationError, and ExtraMissingError without the extra.
    """
    libraries = _libraries(("numpy", "scikit-learn") if with_challenger else ("numpy",))
    excluded: tuple[str, ...] = ()
    if derivation is not None:
        table, excluded = without_excluded(derive_table(table, derivation), derivation)
        features = tuple(dict.fromkeys((*derivation.roles, *(wanted.features or ()))))
        roles = derivation.roles | dict(wanted.roles or {})
        wanted = replace(wanted, features=features, roles=roles)
    sample = take_sample(table, wanted)
    provenance = provenance_of(sample, wanted, libraries)
    if derivation is not None:
        declared = {
            "derivation": f"{derivation.id} {derivation.version}",
            "source": derivation.source,
            "licence": derivation.licence,
            "remarks": (*derivation.remarks, *excluded, *provenance.remarks),
        }
        provenance = provenance.model_copy(update=declared)
    card = fit_scorecard(sample, provenance, wanted.version)
    validation = cross_validate(sample, wanted.seed, with_challenger=with_challenger)
    clear_model(folder)
    write_model(folder, SCORECARD, card)
    write_model(folder, VALIDATION, validation)
    if with_challenger:
        write_model(folder, CHALLENGER, fit_challenger(sample, provenance, wanted.version))
    if derivation is not None:
        write_model(folder, ATTRIBUTES, derivation)
    write_report(folder, card, validation)
    return FitSummary(
        rows=provenance.rows,
        bad_rows=provenance.bad_rows,
        attributes=tuple(attribute.name for attribute in card.attributes),
        left_out=card.provenance.left_out,
        remarks=_remarks((*table.remarks, *provenance.remarks), sample.target),
        cross_validated={name: found.overall for name, found in validation.models.items()},
    )


def _libraries(names: Sequence[str]) -> dict[str, str]:
    try:
        return {name: version_of(name) for name in names}
    except PackageNotFoundError:
        raise ExtraMissingError("modelling", "fitted models") from None


def _remarks(remarks: Sequence[str], target: Target) -> tuple[str, ...]:
    told = [*remarks, target.remark]
    if target.left_out:
        told.append(f"target {target.name}: {target.left_out} rows without an answer are left out")
    return tuple(told)
