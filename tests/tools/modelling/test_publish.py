"""A fit becomes the desk's own, and a bureau report gives the attributes that it was fitted on."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from data.contracts.bureau import BureauReport, BureauStatus, Tradeline, TradelineType
from data.contracts.errors import ContractViolationError
from data.contracts.tree_card import TreeCard
from data.settings import Settings
from tests.tools.modelling.tables import lines, table
from tools.attributes import derive_attributes
from tools.modelling.derivation import Derivation, derive_table, load_derivation
from tools.modelling.fit import Wanted
from tools.modelling.model_files import read_challenger, read_scorecard
from tools.modelling.publish import Overlay, load_overlay, publish_model
from tools.modelling.score import score_table
from tools.modelling.session import fit_model
from tools.modelling.table import Cells, Table, number_in
from tools.scorecard import load_challenger, load_scorecard, score_applicant

DATA = Settings().data_dir
MODELLING, MODELS = DATA / "modelling", DATA / "models"
AS_OF = date(2026, 11, 2)
_MONTHS = ("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6")


def _card_rows(count: int) -> list[dict[str, int]]:
    """Rows as the card data has them: six months of status, a balance and a limit."""
    draw = random.Random(350)
    made = []
    for _ in range(count):
        late = draw.random() < 0.7
        status = [draw.choice((-2, -1, 0, 0, 1, 2, 3, 8) if late else (-2, -1, 0)) for _ in _MONTHS]
        limit = draw.choice((10_000, 30_000, 500_000))
        balance = draw.randint(-limit // 20, limit * 11 // 10)
        made.append(dict(zip(_MONTHS, status, strict=True), BILL_AMT1=balance, LIMIT_BAL=limit))
    return made


def _reported(row: dict[str, int]) -> BureauReport:
    """The bureau report of a person whose only account has the history of a row."""
    status = [row[month] for month in _MONTHS]
    since = next((months for months, late in enumerate(status) if late >= 1), None)
    account = Tradeline(
        type=TradelineType.REVOLVING,
        opened_on=date(2020, 1, 15),
        limit=Decimal(row["LIMIT_BAL"]),
        balance=Decimal(row["BILL_AMT1"]),
        days_past_due=30 * max(status[0], 0),
        dpd_30_count=status.count(1),
        dpd_60_count=status.count(2),
        dpd_90_count=sum(late >= 3 for late in status),
        last_delinquency=None if since is None else date(2026, 11 - since, 2),
    )
    return BureauReport(
        bureau="Bureau", report_date=AS_OF, status=BureauStatus.HIT, tradelines=(account,)
    )


def test_a_report_gives_the_attributes_that_the_card_data_gives() -> None:
    derivation = load_derivation(MODELLING / "taiwan-bureau.yaml")
    rows = _card_rows(300)
    columns: dict[str, Cells] = {name: tuple(str(row[name]) for row in rows) for name in rows[0]}
    derived = derive_table(Table("rows.csv", "0" * 64, columns), derivation)

    for at, row in enumerate(rows):
        found = derive_attributes(_reported(row), AS_OF)
        for name in derivation.roles:
            assert float(getattr(found, name)) == pytest.approx(
                number_in(derived.columns[name][at]), abs=5e-7
            ), (name, row)


def test_the_shipped_scorecard_is_the_shipped_fit_with_its_overlay(tmp_path: Path) -> None:
    overlay = load_overlay(MODELLING / "bureau-overlay.yaml")
    folder = tmp_path / "fit"
    folder.mkdir()
    for path in (MODELS / "fitted-v2").glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())

    (written,) = publish_model(folder, "v2", tmp_path, overlay)

    assert written.read_bytes() == (MODELS / "scorecard-v2.json").read_bytes()
    assert load_challenger(MODELS / "challenger-v2.json").overlay == overlay.attributes
    report = (folder / "report.md").read_text()
    assert report == (MODELS / "fitted-v2" / "report.md").read_text()
    assert "| Licence | CC BY 4.0 |" in report


_DERIVATION = Derivation.model_validate(
    {
        "id": "made-up",
        "version": "1",
        "source": "a test",
        "licence": "none",
        "attributes": [
            {
                "name": "utilization_revolving",
                "function": "value",
                "of": ["debt"],
                "role": {"direction": "rising", "reason": "R99_REVOLVING_UTILIZATION_HIGH"},
            },
            {
                "name": "months_30_dpd_6m",
                "function": "value",
                "of": ["late"],
                "role": {"direction": "rising", "reason": "R17"},
            },
        ],
    }
)


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit with a challenger."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("fit")
    fit_model(
        table(folder, lines(600)), Wanted("answer", base_rate=0.03), folder, derivation=_DERIVATION
    )
    return folder


def test_the_desk_gives_a_row_the_probabilities_of_the_fit(fit: Path, tmp_path: Path) -> None:
    rows = derive_table(table(tmp_path, lines(600, seed=2)), _DERIVATION)
    expected = list(score_table(rows, read_scorecard(fit), read_challenger(fit)))

    card, trees = publish_model(fit, "new", tmp_path)

    models = (load_scorecard(card), load_challenger(trees))
    names = ("utilization_revolving", "months_30_dpd_6m")
    for at in range(0, rows.rows, 7):
        numbers = {name: number_in(rows.columns[name][at]) for name in names}
        values = {name: None if value != value else value for name, value in numbers.items()}
        pds = [score_applicant(model, values).pd for model in models]
        assert pds[0] == pytest.approx(float(expected[at][0]), rel=1e-4)
        if None not in values.values():
            assert pds[1] == pytest.approx(float(expected[at][6]), rel=1e-8, abs=1e-9)


def test_what_the_trees_take_for_an_attribute_is_what_its_best_number_would_give() -> None:
    trees = load_challenger(MODELS / "challenger-v2.json")
    assert isinstance(trees, TreeCard)
    best: dict[str, float | None] = {found.name: 0.0 for found in trees.inputs}
    best |= {found.name: None for found in trees.overlay}
    best["months_since_30_dpd_6m"] = 6.0
    poor = best | {"utilization_revolving": 0.9, "months_30_dpd_6m": 2.0}

    found = score_applicant(trees, poor)

    by_name = {factor.attribute: factor.points_lost for factor in found.factors}
    for name in ("utilization_revolving", "months_30_dpd_6m"):
        gained = score_applicant(trees, poor | {name: best[name]}).score - found.score
        assert by_name[name] == pytest.approx(gained, abs=1e-5)


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("scorecard.json", "months_30_dpd_6m", "shoe_size", "gives the attribute 'shoe_size'"),
        ("scorecard.json", '"R17"', '"R00"', "reason"),
        ("attributes.json", '"rising"', '"any"', "of the challenger has no direction"),
    ],
)
def test_a_fit_that_the_desk_could_not_explain_is_refused(
    fit: Path, tmp_path: Path, file: str, old: str, new: str, named: str
) -> None:
    for path in fit.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = (tmp_path / file).read_text().replace(old, new)
    (tmp_path / file).write_text(changed)

    with pytest.raises(ContractViolationError, match=named):
        publish_model(tmp_path, "new", tmp_path)


def test_an_overlay_without_grounds_is_refused(tmp_path: Path) -> None:
    shipped = load_overlay(MODELLING / "bureau-overlay.yaml")
    silent = shipped.attributes[0].model_copy(update={"expert": None})
    path = tmp_path / "overlay.json"
    path.write_text(shipped.model_copy(update={"attributes": (silent,)}).model_dump_json())

    with pytest.raises(ContractViolationError, match="say in `expert`"):
        load_overlay(path)
    assert Overlay.model_validate_json(shipped.model_dump_json()) == shipped
