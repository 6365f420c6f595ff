"""Prices, APR caps, and terms that a reviewer has set."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.contracts.decision import AdjustedTerms, Grade, Offer
from data.contracts.errors import AnswerRejectedError, RecordCorruptError, ToolError
from data.contracts.prices import PriceTable
from data.settings import Settings
from tools.pricing import load_prices, price_adjusted, price_offer

DATA = Settings().data_dir
PRICES = load_prices(DATA)
AS_OF = date(2026, 11, 2)


def _loan(**changes: Any) -> dict[str, Any]:
    return {
        "amount": Decimal("15000.00"),
        "term_months": 48,
        "grade": Grade.C,
        "state": "IL",
        "covered_borrower": False,
        "as_of": AS_OF,
    } | changes


def test_the_published_loan_has_the_published_price() -> None:
    offer = price_offer(PRICES, **_loan())

    assert offer.rate == Decimal("0.1299")
    assert offer.payment == Decimal("402.34")
    assert offer.fee == Decimal("450.00")
    assert round(offer.apr, 5) == Decimal("0.14647")
    assert offer.finance_charge == Decimal("4762.32")
    assert offer.total_of_payments == Decimal("19312.32")
    assert offer.final_payment == Decimal("402.26")


def test_an_offer_stands_for_thirty_days() -> None:
    assert price_offer(PRICES, **_loan()).expires_on == date(2026, 12, 2)


def test_worse_grades_and_longer_terms_cost_more() -> None:
    by_grade = [price_offer(PRICES, **_loan(grade=grade)).rate for grade in Grade]
    by_term = [price_offer(PRICES, **_loan(term_months=term)).rate for term in PRICES.terms]

    assert by_grade == sorted(set(by_grade))
    assert by_term == sorted(set(by_term))


def test_a_term_between_two_listed_ones_is_priced_as_the_longer() -> None:
    assert PRICES.base_rate(Grade.C, 37) == PRICES.base_rate(Grade.C, 48) == Decimal("0.1299")


def test_an_application_without_a_grade_has_a_price_of_its_own() -> None:
    assert price_offer(PRICES, **_loan(grade=None)).grade is Grade.E


@pytest.mark.parametrize(
    ("state", "covered", "cap"),
    [("AR", False, "0.17"), ("PA", False, "0.24"), ("AR", True, "0.17")],
)
def test_a_state_ceiling_lowers_the_rate_until_the_apr_respects_it(
    state: str, covered: bool, cap: str
) -> None:
    loan = _loan(grade=Grade.E, state=state, covered_borrower=covered)

    offer = price_offer(PRICES, **loan)
    dearer = price_offer(PRICES, **(loan | {"state": "TX"}), rate=offer.rate + Decimal("0.0001"))

    assert offer.apr <= Decimal(cap) < dearer.apr


def test_a_covered_borrower_never_pays_more_than_36_per_cent() -> None:
    caps = {"lender": Decimal("0.9"), "states": {"TX": Decimal("0.9")}}
    rates = {
        "highest_rate": Decimal("0.6"),
        "apr_caps": PRICES.apr_caps.model_copy(update=caps),
    }
    dear = PRICES.model_copy(
        update=rates
        | {"rates": PRICES.rates | {Grade.F: dict.fromkeys(PRICES.terms, Decimal("0.5"))}}
    )

    civilian = price_offer(dear, **_loan(grade=Grade.F, state="TX"))
    soldier = price_offer(dear, **_loan(grade=Grade.F, state="TX", covered_borrower=True))

    assert civilian.apr > Decimal("0.5")
    assert Decimal("0.3598") < soldier.apr <= Decimal("0.36")


def test_no_price_is_given_in_a_state_that_the_table_does_not_list() -> None:
    with pytest.raises(ToolError, match="no price in the state"):
        price_offer(PRICES, **_loan(state="HI"))


def test_a_table_that_would_price_every_state_is_refused(tmp_path: Path) -> None:
    shipped = (DATA / "policy" / "prices.yaml").read_text()
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "prices.yaml").write_text(
        shipped.replace("only_listed_states: true", "only_listed_states: false")
    )

    with pytest.raises(RecordCorruptError, match="only_listed_states"):
        load_prices(tmp_path)


def test_no_price_is_given_where_even_the_lowest_rate_is_too_dear() -> None:
    caps = PRICES.apr_caps.model_copy(update={"states": {"IL": Decimal("0.07")}})
    prices = PRICES.model_copy(update={"apr_caps": caps})

    with pytest.raises(ToolError, match="no rate"):
        price_offer(prices, **_loan(term_months=12))


def test_the_floor_of_a_grade_is_the_sum_of_its_costs() -> None:
    # 4 % funds + 1.5 % operations + 4 % * 60 % loss + 8 % * (15 % - 4 %) capital.
    assert PRICES.floor_of(Grade.C) == Decimal("0.0878")
    assert [PRICES.floor_of(grade) for grade in Grade] == sorted(map(PRICES.floor_of, Grade))


@pytest.mark.parametrize(
    ("grade", "state", "term_months"),
    [(Grade.F, "AR", 48), (Grade.E, "AR", 12), (Grade.D, "AR", 12), (Grade.F, "PA", 12)],
)
def test_a_loan_that_a_ceiling_makes_cheaper_than_its_cost_has_no_price(
    grade: Grade, state: str, term_months: int
) -> None:
    with pytest.raises(ToolError, match="covers the cost"):
        price_offer(PRICES, **_loan(grade=grade, state=state, term_months=term_months))


@given(st.sampled_from(Grade), st.sampled_from(sorted(PRICES.apr_caps.states)), st.integers(12, 60))
def test_no_loan_is_ever_priced_below_its_cost_or_above_its_ceiling(
    grade: Grade, state: str, term_months: int
) -> None:
    try:
        offer = price_offer(PRICES, **_loan(grade=grade, state=state, term_months=term_months))
    except ToolError:
        return
    assert PRICES.floor_of(grade) <= offer.rate <= PRICES.base_rate(grade, term_months)
    assert offer.apr <= PRICES.apr_caps.states[state]


def test_a_table_without_a_floor_is_read_and_hashed_as_it_was_pinned() -> None:
    older = PRICES.model_copy(update={"floor": None})

    assert "floor" not in older.model_dump()
    assert older.floor_of(Grade.F) == older.lowest_rate


def test_a_later_first_payment_costs_the_interest_of_the_days_between() -> None:
    offer = price_offer(PRICES, **_loan(first_payment_on=date(2026, 12, 17)))

    # 2 November to 17 December is a month and 15 of 30 days: 15,000 * (1 + 1.5 i) / (1 + i).
    assert offer.payment == Decimal("404.49")
    assert offer.first_payment_on == date(2026, 12, 17)
    assert offer.apr != price_offer(PRICES, **_loan()).apr
    assert abs(offer.apr - Decimal("0.146")) < Decimal("0.001")


def test_a_first_payment_after_a_month_is_the_ordinary_loan() -> None:
    chosen = price_offer(PRICES, **_loan(first_payment_on=date(2026, 12, 2)))

    assert chosen.model_copy(update={"first_payment_on": None}) == price_offer(PRICES, **_loan())


def _adjust(terms: AdjustedTerms, **changes: Any) -> Offer:
    return price_adjusted(PRICES, terms, **_loan(**changes))


def test_terms_that_a_reviewer_did_not_change_stay_as_requested() -> None:
    offer = _adjust(AdjustedTerms(amount=Decimal("9000.00")))

    assert offer.amount == 9000
    assert offer.term_months == 48
    assert offer.rate == Decimal("0.1299")


def test_a_rate_set_by_a_person_is_priced_as_it_is() -> None:
    offer = _adjust(AdjustedTerms(rate=Decimal("0.1")))

    assert offer.rate == Decimal("0.1")
    assert offer.payment == Decimal("380.44")


@pytest.mark.parametrize(
    ("terms", "changes", "field"),
    [
        (AdjustedTerms(rate=Decimal("0.0598")), {}, "rate"),
        (AdjustedTerms(rate=Decimal("0.3")), {}, "rate"),
        (AdjustedTerms(rate=Decimal("0.0877")), {}, "rate"),
        (AdjustedTerms(rate=Decimal("0.25")), {"state": "AR"}, "rate"),
        (AdjustedTerms(term_months=72), {}, "term_months"),
    ],
)
def test_terms_beyond_the_table_are_refused_by_field(
    terms: AdjustedTerms, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(AnswerRejectedError) as refused:
        _adjust(terms, **changes)

    assert refused.value.field == field


def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((DATA / "policy" / "prices.yaml").read_text())
    return table


def _missing_grade(table: dict[str, Any]) -> None:
    del table["rates"]["D"]


def _missing_term(table: dict[str, Any]) -> None:
    del table["rates"]["D"][36]


def _missing_fee(table: dict[str, Any]) -> None:
    del table["origination_fee"]["D"]


def _terms_out_of_order(table: dict[str, Any]) -> None:
    table["terms"] = [24, 12, 36, 48, 60]


def _rate_as_percentage(table: dict[str, Any]) -> None:
    table["rates"]["A"][12] = 7.49


def _rate_below_the_floor(table: dict[str, Any]) -> None:
    table["rates"]["F"][12] = 0.15


def _floor_without_a_grade(table: dict[str, Any]) -> None:
    del table["floor"]["default_probability"]["D"]


def _no_floor(table: dict[str, Any]) -> None:
    del table["floor"]


def _rate_too_high(table: dict[str, Any]) -> None:
    table["rates"]["A"][12] = 0.74


@pytest.mark.parametrize(
    "spoil",
    [
        _missing_grade,
        _missing_term,
        _missing_fee,
        _terms_out_of_order,
        _rate_as_percentage,
        _rate_too_high,
        _rate_below_the_floor,
        _floor_without_a_grade,
        _no_floor,
    ],
)
def test_a_price_table_with_a_gap_or_a_slip_is_refused(tmp_path: Path, spoil: Any) -> None:
    table = _table()
    spoil(table)
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "prices.yaml").write_text(yaml.safe_dump(table))

    with pytest.raises(RecordCorruptError, match=r"prices\.yaml"):
        load_prices(tmp_path)


def test_the_shipped_table_is_complete() -> None:
    assert PriceTable.model_validate(_table()) == PRICES
