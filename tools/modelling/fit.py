"""Fit a scorecard, and on request a challenger, on one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from data.contracts.errors import ContractViolationError
from data.contracts.fitted import (
    FittedAttribute,
    FittedBin,
    FittedScorecard,
    LeftOut,
    Provenance,
)
from tools.modelling.binning import bin_column
from tools.modelling.evaluate import bin_of
from tools.modelling.logistic import fit_weights, load_numpy
from tools.modelling.roles import Choice, Chosen, Role, choose_columns
from tools.modelling.table import Table
from tools.modelling.target import Target, read_target

if TYPE_CHECKING:
    from tools.modelling.logistic import Matrix

_LEAST_IV = 0.01
_LIKE_THE_TARGET = 6.0
"""An information value that no attribute known before the outcome reaches."""
_WRONG_SIGN = "the scorecard drops it: beside the other columns its weight contradicts its evidence"
_DIGITS = 12


@dataclass(frozen=True)
class Wanted:
    """What the analyst asks for."""

    target: str
    bad_value: str | None = None
    roles: Mapping[str, Role] | None = None
    features: Sequence[str] | None = None
    seed: int = 7
    version: str = "1.0.0"
    base_rate: float | None = None


@dataclass(frozen=True)
class Sample:
    """The rows with an answer, and the columns that the model may use."""

    table: Table
    target: Target
    choice: Choice

    @property
    def bad(self) -> list[bool]:
        return self.target.bad

    def part(self, rows: list[int]) -> Sample:
        """Some of the rows, with the same columns."""
        flags = [self.bad[row] for row in rows]
        target = replace(self.target, rows=rows, bad=flags, left_out=0)
        return Sample(self.table.only(rows), target, self.choice)

    def row(self, at: int) -> dict[str, str | None]:
        return {column.name: self.table.columns[column.name][at] for column in self.choice.chosen}


def take_sample(table: Table, wanted: Wanted) -> Sample:
    """Read the target and choose the columns. Raises ContractViolationError."""
    target = read_target(table, wanted.target, wanted.bad_value)
    rows = table.only(target.rows)
    choice = choose_columns(rows, wanted.target, wanted.roles, wanted.features)
    copies = {
        column.name
        for column in choice.chosen
        if bin_column(column, rows.columns[column.name], target.bad).iv > _LIKE_THE_TARGET
    }
    why = "it repeats the target: a value that was not known before the outcome"
    kept = tuple(column for column in choice.chosen if column.name not in copies)
    if not kept:
        raise ContractViolationError(f"column {min(copies)!r}: {why}; no other column is left")
    twins = _twins(kept, rows, {*(wanted.features or ()), *(wanted.roles or {})})
    kept = tuple(column for column in kept if column.name not in twins)
    left_out = (
        *choice.left_out,
        *(LeftOut(name=name, why=why) for name in sorted(copies)),
        *(LeftOut(name=name, why=f"the same cells as {twin}") for name, twin in twins.items()),
    )
    return Sample(rows, target, choice.model_copy(update={"chosen": kept, "left_out": left_out}))


def _twins(kept: Sequence[Chosen], rows: Table, named: set[str]) -> dict[str, str]:
    """The columns with the cells of an earlier one. The analyst's own choice stays."""
    first: dict[tuple[str | None, ...], str] = {}
    for column in kept:
        first.setdefault(rows.columns[column.name], column.name)
    twins = {column.name: first[rows.columns[column.name]] for column in kept}
    return {name: twin for name, twin in twins.items() if name != twin and name not in named}


def fit_scorecard(
    sample: Sample, provenance: Provenance, version: str = "1.0.0"
) -> FittedScorecard:
    """Bins, weights and points. The record of the card names the columns that it drops, too.

    Raises ContractViolationError when no column tells anything.
    """
    numpy = load_numpy()
    binned = [
        (column, bin_column(column, sample.table.columns[column.name], sample.bad))
        for column in sample.choice.chosen
    ]
    useful = [attribute for _, attribute in binned if attribute.iv >= _LEAST_IV]
    dropped = [
        LeftOut(name=column.name, why=_why_uninformative(column, sample))
        for column, attribute in binned
        if attribute.iv < _LEAST_IV
    ]
    if not useful:
        raise ContractViolationError(
            f"no column tells the bad rows from the good (information value below {_LEAST_IV}):"
            " add attributes"
        )
    woe: Matrix = numpy.array([_woe(attribute, sample) for attribute in useful]).T
    weights = fit_weights(woe, numpy.array(sample.bad, dtype=float))
    weighted = [
        useful[at].model_copy(update={"coefficient": _rounded(weight)})
        for at, weight in weights.coefficients.items()
    ]
    dropped += [
        LeftOut(name=attribute.name, why=_WRONG_SIGN)
        for at, attribute in enumerate(useful)
        if at not in weights.coefficients
    ]
    left_out = (*provenance.left_out, *dropped)
    card = FittedScorecard(
        version=version,
        intercept=_rounded(weights.intercept + provenance.shift),
        attributes=tuple(weighted),
        provenance=provenance.model_copy(update={"left_out": left_out}),
    )
    return card.model_copy(update={"attributes": tuple(_with_points(a, card) for a in weighted)})


def _why_uninformative(column: Chosen, sample: Sample) -> str:
    """Whether a column tells nothing, or the opposite of what the analyst declares."""
    if column.kind == "number" and column.role.direction != "any":
        free = column.model_copy(update={"role": Role()})
        if bin_column(free, sample.table.columns[column.name], sample.bad).iv >= _LEAST_IV:
            return (
                "the scorecard drops it: the data contradict the declared direction"
                f" ({column.role.direction})"
            )
    return f"the scorecard drops it: no information (information value below {_LEAST_IV})"


def provenance_of(sample: Sample, wanted: Wanted, libraries: Mapping[str, str]) -> Provenance:
    """The record of a fit."""
    bad, rows = sum(sample.bad), len(sample.bad)
    return Provenance(
        data_file=sample.table.name,
        data_sha256=sample.table.sha256,
        rows=rows,
        bad_rows=bad,
        rows_without_target=sample.target.left_out,
        target=sample.target.name,
        bad_value=sample.target.bad_value,
        bad_because=sample.target.bad_because,
        seed=wanted.seed,
        libraries=dict(libraries),
        left_out=sample.choice.left_out,
        remarks=sample.choice.remarks,
        base_rate=wanted.base_rate,
        shift=_shift(wanted.base_rate, bad / rows),
    )


def _shift(base_rate: float | None, observed: float) -> float:
    """What moves the log-odds from the observed share of bad to another one."""
    if base_rate is None:
        return 0.0
    if not 0 < base_rate < 1:
        raise ContractViolationError("--base-rate must lie between 0 and 1, such as 0.03")
    return _rounded(math.log(base_rate / (1 - base_rate)) - math.log(observed / (1 - observed)))


def _woe(attribute: FittedAttribute, sample: Sample) -> list[float]:
    return [bin_of(attribute, cell).woe for cell in sample.table.columns[attribute.name]]


def _with_points(attribute: FittedAttribute, card: FittedScorecard) -> FittedAttribute:
    """Points = (offset - factor * intercept) / n - factor * coefficient * WOE."""
    factor = card.pdo / math.log(2)
    base = card.base_score - factor * (math.log(card.base_odds) + card.intercept)

    def pointed(part: FittedBin) -> FittedBin:
        points = base / len(card.attributes) - factor * attribute.coefficient * part.woe
        return part.model_copy(update={"points": round(points, 6)})

    bins = tuple(pointed(part) for part in attribute.bins)
    return attribute.model_copy(update={"bins": bins, "missing": pointed(attribute.missing)})


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
