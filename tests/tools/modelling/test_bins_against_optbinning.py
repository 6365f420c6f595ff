"""The bins of three columns against optbinning, which finds optimal ones by integer programming.

The package drags solvers along, so it has a group of its own: CONTRIBUTING.md says how to run this.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from data.contracts.fitted import FittedAttribute
from tests.tools.modelling.tables import lines, table
from tools.modelling.binning import bin_column
from tools.modelling.fit import Sample, Wanted, take_sample
from tools.modelling.roles import Role
from tools.modelling.table import number_in

numpy = pytest.importorskip("numpy")
optbinning = pytest.importorskip("optbinning")
pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore"),  # the package is behind its own pandas and solvers
]

TRENDS = {"rising": "ascending", "falling": "descending", "any": "auto"}
COLUMNS = [("debt", "rising"), ("late", "rising"), ("purpose", "any")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder: Path = tmp_path_factory.mktemp("rows")
    roles = {name: Role.model_validate({"direction": way}) for name, way in COLUMNS}
    return take_sample(table(folder, lines(6000)), Wanted("answer", roles=roles))


def _ours(sample: Sample, name: str) -> FittedAttribute:
    column = next(found for found in sample.choice.chosen if found.name == name)
    return bin_column(column, sample.table.columns[name], sample.bad)


def _theirs(sample: Sample, ours: FittedAttribute, **more: Any) -> Any:
    cells = sample.table.columns[ours.name]
    plain: dict[str, Any] = {"name": ours.name, "min_bin_size": 0.015}
    if ours.kind == "number":
        numbers: list[Any] = [number_in(cell) for cell in cells]
        plain |= {"dtype": "numerical", "monotonic_trend": TRENDS[ours.direction]}
    else:
        numbers = list(cells)
        plain |= {"dtype": "categorical"}
    found = optbinning.OptimalBinning(**(plain | more))
    values = numpy.array(numbers, dtype=float if ours.kind == "number" else object)
    found.fit(values, numpy.array(sample.bad, dtype=int))
    return found.binning_table.build(add_totals=False)


@pytest.mark.parametrize("name", ["debt", "late"])
def test_the_same_bins_have_the_same_weight_of_evidence(sample: Sample, name: str) -> None:
    ours = _ours(sample, name)
    bounds = [part.below for part in ours.bins if part.below is not None]
    fixed = {"user_splits": bounds, "user_splits_fixed": [True] * len(bounds)}

    theirs = _theirs(sample, ours, **fixed, monotonic_trend=None, min_bin_size=None)

    for at, part in enumerate(ours.bins):
        assert theirs["Count"].iloc[at] == part.rows
        assert theirs["Event"].iloc[at] == part.bad
        assert theirs["WoE"].iloc[at] == pytest.approx(part.woe, abs=0.01)
    assert theirs["IV"].sum() == pytest.approx(ours.iv, rel=0.01)


@pytest.mark.parametrize(("name", "_way"), COLUMNS)
def test_optimal_bins_hold_hardly_more_information(sample: Sample, name: str, _way: str) -> None:
    ours = _ours(sample, name)

    optimum = float(_theirs(sample, ours)["IV"].sum())

    assert 0.9 * optimum <= ours.iv <= 1.1 * optimum
    assert math.isfinite(ours.iv)
