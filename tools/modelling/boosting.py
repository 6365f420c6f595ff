"""The challenger: gradient boosting by scikit-learn, exported as plain trees.

The trees hold every figure of the fit, so that the desk evaluates them without scikit-learn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from data.contracts.errors import ExtraMissingError
from data.contracts.fitted import FittedChallenger, Provenance, Tree, TreeFeature
from tools.modelling.binning import Totals
from tools.modelling.fit import Sample
from tools.modelling.logistic import load_numpy
from tools.modelling.roles import Chosen
from tools.modelling.table import number_in

if TYPE_CHECKING:
    from tools.modelling.logistic import Matrix

_ROUNDS, _RATE, _LEAVES, _RIDGE, _COLUMNS_A_SPLIT = 220, 0.04, 10, 10.0, 0.4
_LEAST_LEAF = (10, 60)
_DIRECTIONS = {"rising": 1, "falling": -1, "any": 0}


def fit_challenger(
    sample: Sample, provenance: Provenance, version: str = "1.0.0"
) -> FittedChallenger:
    """Fit the trees and export them. The seed is the provenance's."""
    return fit_with_library(sample, provenance, version)[0]


def fit_with_library(
    sample: Sample, provenance: Provenance, version: str = "1.0.0"
) -> tuple[FittedChallenger, Any]:
    """The exported challenger, and the library's own model of which it is the copy."""
    numpy = load_numpy()
    features = tuple(_feature(column, sample) for column in sample.choice.chosen)
    low, high = _LEAST_LEAF
    model = _library().HistGradientBoostingClassifier(
        max_iter=_ROUNDS,
        learning_rate=_RATE,
        max_leaf_nodes=_LEAVES,
        l2_regularization=_RIDGE,
        max_features=_COLUMNS_A_SPLIT,
        min_samples_leaf=max(low, min(high, len(sample.bad) // 50)),
        monotonic_cst=[_DIRECTIONS[column.role.direction] for column in sample.choice.chosen],
        early_stopping=False,
        random_state=provenance.seed,
    )
    with _one_thread():
        model.fit(matrix_of(features, sample), numpy.array(sample.bad, dtype=int))
    challenger = FittedChallenger(
        version=version,
        baseline=float(model._baseline_prediction.ravel()[0]) + provenance.shift,
        features=features,
        trees=tuple(_tree(predictors[0].nodes) for predictors in model._predictors),
        provenance=provenance,
    )
    return challenger, model


def matrix_of(features: tuple[TreeFeature, ...], sample: Sample) -> Matrix:
    """The numbers that the trees read, a row for each row of the sample."""
    columns = [_numbers(feature, sample) for feature in features]
    matrix: Matrix = load_numpy().array(columns, dtype=float).T
    return matrix


def _library() -> Any:
    try:
        import sklearn.ensemble
    except ImportError:
        raise ExtraMissingError("modelling", "challengers") from None
    return sklearn.ensemble


def _one_thread() -> Any:
    """One thread adds in one order, and does not spin where other processes need the cores."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="openmp")


def _feature(column: Chosen, sample: Sample) -> TreeFeature:
    """A category becomes the weight of evidence of its rows."""
    if column.kind == "number":
        return TreeFeature(name=column.name)
    cells = sample.table.columns[column.name]
    totals = Totals(len(sample.bad) - sum(sample.bad), sum(sample.bad))
    flags: dict[str, list[bool]] = {}
    for cell, bad in zip(cells, sample.bad, strict=True):
        if cell is not None:
            flags.setdefault(cell, []).append(bad)
    codes = {cell: totals.woe(len(found), sum(found)) for cell, found in sorted(flags.items())}
    return TreeFeature(name=column.name, codes=codes)


def _numbers(feature: TreeFeature, sample: Sample) -> list[float]:
    cells = sample.table.columns[feature.name]
    if feature.codes is None:
        return [number_in(cell) for cell in cells]
    return [math.nan if cell is None else feature.codes.get(cell, math.nan) for cell in cells]


def _tree(nodes: Any) -> Tree:
    """A tree of the library. It numbers a node before its children."""
    leaf = [bool(flag) for flag in nodes["is_leaf"]]
    features = [
        -1 if is_leaf else int(feature)
        for is_leaf, feature in zip(leaf, nodes["feature_idx"], strict=True)
    ]
    thresholds = [
        0.0 if is_leaf else min(float(number), 1.7e308)
        for is_leaf, number in zip(leaf, nodes["num_threshold"], strict=True)
    ]
    return Tree(
        feature=tuple(features),
        threshold=tuple(thresholds),
        missing_left=tuple(map(bool, nodes["missing_go_to_left"])),
        left=tuple(map(int, nodes["left"])),
        right=tuple(map(int, nodes["right"])),
        value=tuple(map(float, nodes["value"])),
    )
