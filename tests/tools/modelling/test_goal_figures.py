"""How far the models get on real data, cross-validated and without a prohibited column.

The data is not part of the project: CARD_DATA names the CSV of 24,000 rows.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.modelling.derivation import derive_table, load_derivation
from tools.modelling.fit import Wanted, take_sample
from tools.modelling.table import read_table
from tools.modelling.validation import cross_validate

ROOT = Path(__file__).parents[3]
CSV = Path(os.environ.get("CARD_DATA", "not named"))

pytest.importorskip("numpy")


@pytest.mark.skipif(not CSV.is_file(), reason="the card data is not there: CARD_DATA")
def test_the_scorecard_ranks_and_calibrates_on_the_card_data() -> None:
    derivation = load_derivation(ROOT / "data/modelling/taiwan-card-default.yaml")
    table = derive_table(read_table(CSV), derivation)
    wanted = Wanted("default_next_month", roles=derivation.roles, features=tuple(derivation.roles))

    validation = cross_validate(take_sample(table, wanted), 7, with_challenger=False)

    figures = validation.models["scorecard"].overall
    assert 0.772 <= figures.auc <= 0.81
    assert figures.brier <= 0.1365
