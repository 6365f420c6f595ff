"""The weights of a scorecard: logistic regression on weights of evidence, with an L2 penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.contracts.errors import ExtraMissingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

PENALTY = 5.0
_STEPS, _TOLERANCE = 60, 1e-10


@dataclass(frozen=True)
class Weights:
    """Log-odds of bad = intercept + the sum of coefficient * WOE."""

    intercept: float
    coefficients: dict[int, float]
    """By column. A column whose sign would contradict its evidence is left out."""


def fit_weights(woe: Matrix, bad: Matrix, penalty: float = PENALTY) -> Weights:
    """Fit by Newton steps, and drop the column of the most wrong sign until none is left.

    A high WOE stands for good rows, so a right coefficient is below zero. With another sign a
    better bin would cost points, and the reason in a notice would be false.
    """
    numpy = load_numpy()
    kept = list(range(woe.shape[1]))
    while True:
        found = _newton(numpy.column_stack([numpy.ones(len(bad)), woe[:, kept]]), bad, penalty)
        at = int(numpy.argmax(found[1:]))
        if found[1:][at] < 0 or len(kept) == 1:
            return Weights(
                float(found[0]),
                {
                    column: min(0.0, float(weight))
                    for column, weight in zip(kept, found[1:], strict=True)
                },
            )
        del kept[at]


def load_numpy() -> Any:
    """NumPy, or the error that says which extra brings it."""
    try:
        import numpy
    except ImportError:
        raise ExtraMissingError("modelling", "fitted models") from None
    return numpy


def _newton(design: Matrix, bad: Matrix, penalty: float) -> Matrix:
    numpy = load_numpy()
    ridge = numpy.full(design.shape[1], penalty)
    ridge[0] = 0.0
    weights: Matrix = numpy.zeros(design.shape[1])
    for _ in range(_STEPS):
        pd = 1 / (1 + numpy.exp(-design @ weights))
        slope = design.T @ (pd - bad) + ridge * weights
        bend = (design * (pd * (1 - pd))[:, None]).T @ design + numpy.diag(ridge)
        step = numpy.linalg.solve(bend, slope)
        weights = weights - step
        if float(numpy.abs(step).max()) < _TOLERANCE:
            break
    return weights
