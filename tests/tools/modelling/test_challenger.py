"""The exported trees give the answers of the library that fitted them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tools.modelling.tables import lines, table
from tools.modelling.boosting import fit_with_library, matrix_of
from tools.modelling.evaluate import challenger_log_odds
from tools.modelling.fit import Wanted, provenance_of, take_sample

pytest.importorskip("sklearn")


def test_thousands_of_rows_get_the_same_log_odds_without_the_library(tmp_path: Path) -> None:
    wanted = Wanted("answer", base_rate=0.05)
    sample = take_sample(table(tmp_path, lines(4000, seed=2)), wanted)
    exported, model = fit_with_library(sample, provenance_of(sample, wanted, {}))
    other = take_sample(table(tmp_path, lines(4000, seed=3), "other.csv"), wanted)

    expected = model.decision_function(matrix_of(exported.features, other))

    shift = exported.provenance.shift
    gaps = [
        abs(challenger_log_odds(exported, other.row(at)) - shift - float(expected[at]))
        for at in range(4000)
    ]
    assert max(gaps) <= 1e-9
    assert len(set(map(float, expected))) > 500


def test_scoring_imports_neither_numpy_nor_scikit_learn() -> None:
    import subprocess

    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, tools.modelling.score, tools.modelling.model_files;"
            "print({'numpy', 'sklearn'} & set(sys.modules))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert told.stdout.strip() == "set()"
