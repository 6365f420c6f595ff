"""What must hold for every case: debts, worse figures, missing evidence, papers in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contracts.bureau import TradelineType
from data.contracts.case import CaseFile
from data.contracts.decision import Outcome
from data.contracts.documents import DocumentKind
from data.contracts.findings import AffordabilityFinding
from data.contracts.scorecard import Scorecard
from data.contracts.tree_card import TreeCard
from data.settings import settings as desk_settings
from data.synthetic.builder import card, loan
from flows.rulebook import current_rulebook
from tests.flows.cases import without
from tests.flows.inline import Underwritten, persona, underwritten
from tools.affordability import with_other_terms
from tools.scorecard import load_challenger, score_applicant

BOOK = current_rulebook(desk_settings().data_dir)
ADA = persona("ada-prime").case

assert settings.default is not None
through_the_flow = settings(max_examples=settings.default.max_examples // 2)
"""A case takes some milliseconds. With `--soak` there are ten times as many examples."""


def _decided(case: CaseFile) -> Underwritten:
    return asyncio.run(underwritten(case))


def _at_one_rate(done: Underwritten) -> AffordabilityFinding:
    """The ability to repay as if every grade had the same price."""
    risk = done.run.state.risk_ensemble
    assert risk is not None
    assert risk.ability is not None
    return with_other_terms(
        risk.ability,
        BOOK.policy.affordability,
        amount=risk.ability.amount,
        term_months=risk.ability.term_months,
        annual_rate=Decimal("0.1299"),
    )


def _owing(case: CaseFile, *debts: Any) -> CaseFile:
    assert case.bureau_report is not None
    lines = (*case.bureau_report.tradelines, *debts)
    report = case.bureau_report.model_copy(update={"tradelines": lines})
    return CaseFile.model_validate(case.model_dump() | {"bureau_report": report.model_dump()})


_DEBTS = st.one_of(
    st.builds(lambda payment: loan("40000.00", "30000.00", f"{payment}.00"), st.integers(0, 2000)),
    st.builds(lambda balance: card("9000.00", f"{balance}.00", "60.00"), st.integers(0, 12000)),
    st.builds(
        lambda balance: loan("0.00", f"{balance}.00", "0.00", type=TradelineType.STUDENT),
        st.integers(0, 90000),
    ),
)


@given(
    st.sampled_from(["ada-prime", "ben-midland", "bora-borderline", "jo-kit-joint"]),
    st.lists(_DEBTS, max_size=2),
    _DEBTS,
)
@through_the_flow
def test_more_debt_at_one_rate_never_lowers_debt_to_income(
    name: str, debts: list[Any], one_more: Any
) -> None:
    case = _owing(persona(name).case, *debts)

    less = _at_one_rate(_decided(case))
    more = _at_one_rate(_decided(_owing(case, one_more)))

    assert more.dti_before >= less.dti_before
    assert more.dti_after >= less.dti_after
    assert more.dti_stressed >= less.dti_stressed
    assert more.residual_income <= less.residual_income


_WORSE_WHEN_MORE = {
    "worst_dpd_12m": st.integers(0, 200),
    "worst_dpd_24m": st.integers(0, 200),
    "utilization_revolving": st.floats(0, 2),
    "inquiries_6m": st.integers(0, 30),
    "collections_open_amount": st.floats(0, 20_000),
    "public_record_24m": st.integers(0, 5),
    "authorized_user_share": st.floats(0, 1),
    "thin_file": st.booleans(),
    "current_dpd_class": st.sampled_from([0, 30, 60, 90]),
    "worst_dpd_class_6m": st.sampled_from([0, 30, 60, 90]),
    "months_30_dpd_6m": st.integers(0, 6),
    "months_60_dpd_6m": st.integers(0, 6),
    "older_dpd_class_24m": st.sampled_from([0, 30, 60, 90]),
}
_WORSE_WHEN_LESS = {
    "months_since_delinquency": st.integers(0, 240),
    "oldest_trade_months": st.integers(0, 480),
    "trades_open": st.integers(0, 40),
    "months_since_30_dpd_6m": st.integers(0, 6),
}
_SHIPPED: dict[str, Scorecard | TreeCard] = {
    path.stem: load_challenger(path)
    for path in sorted((desk_settings().data_dir / "models").glob("*-v?.json"))
    if not path.stem.startswith("ensemble")
}


def _read_by(card: Scorecard | TreeCard) -> Sequence[str]:
    return card.read if isinstance(card, TreeCard) else [found.name for found in card.scored]


_FIGURES = st.fixed_dictionaries(_WORSE_WHEN_MORE | _WORSE_WHEN_LESS)


def test_the_direction_of_every_attribute_is_known() -> None:
    scored = {name for shipped in _SHIPPED.values() for name in _read_by(shipped)}

    assert scored == (_WORSE_WHEN_MORE | _WORSE_WHEN_LESS).keys()


@pytest.mark.parametrize("shipped", _SHIPPED.values(), ids=_SHIPPED)
@given(_FIGURES, _FIGURES, st.data())
def test_a_worse_attribute_never_raises_the_score(
    shipped: Scorecard | TreeCard,
    first: dict[str, Any],
    second: dict[str, Any],
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(_read_by(shipped)))
    worst: Callable[..., Any] = max if name in _WORSE_WHEN_MORE else min
    worse = first | {name: worst(first[name], second[name])}

    assert score_applicant(shipped, worse).score <= score_applicant(shipped, first).score
    assert score_applicant(shipped, worse).pd >= score_applicant(shipped, first).pd


def _without_score(case: CaseFile) -> CaseFile:
    if case.bureau_report is None:
        return case
    return case.model_copy(
        update={"bureau_report": case.bureau_report.model_copy(update={"score": None})}
    )


def _without_status(case: CaseFile) -> CaseFile:
    """Not checked whether the applicant is a covered borrower."""
    applicant = case.application.primary.model_copy(update={"military_covered_borrower": None})
    application = case.application.model_copy(update={"applicants": (applicant,)})
    return case.model_copy(update={"application": application})


_ABSENCES: dict[str, Callable[[CaseFile], CaseFile]] = {
    "fraud signals": lambda case: case.model_copy(update={"fraud_signals": None}),
    "bureau report": lambda case: case.model_copy(update={"bureau_report": None}),
    "score": _without_score,
    "covered borrower": _without_status,
    "licence": lambda case: without(case, DocumentKind.DRIVERS_LICENSE),
    "paystub": lambda case: without(case, DocumentKind.PAYSTUB),
}


@given(st.sets(st.sampled_from(sorted(_ABSENCES)), min_size=1))
@through_the_flow
def test_absence_never_approves(absent: set[str]) -> None:
    case = ADA
    for name in sorted(absent):
        case = _ABSENCES[name](case)

    done = _decided(case)

    assert not (done.is_decided and done.content.outcome is Outcome.APPROVE)


@given(
    st.sampled_from(["ada-prime", "jo-kit-joint", "ivan-mismatch", "cora-corrupt"]),
    st.randoms(use_true_random=False),
)
@through_the_flow
def test_papers_in_any_order_give_one_answer(name: str, random: Any) -> None:
    case = persona(name).case
    papers = list(case.documents)
    random.shuffle(papers)

    plain = _decided(case)
    shuffled = _decided(case.model_copy(update={"documents": tuple(papers)}))

    assert shuffled.gates == plain.gates
    assert _read_in(shuffled) == _read_in(plain)
    assert shuffled.run.state.verification == plain.run.state.verification
    assert shuffled.run.state.policy == plain.run.state.policy
    assert shuffled.run.state.pricing == plain.run.state.pricing


def _read_in(done: Underwritten) -> list[Any]:
    """What intake has read in each paper. A case may stop there, for want of another."""
    intake = done.run.state.doc_intake
    assert intake is not None
    return sorted(intake.finding.readings, key=lambda reading: reading.document_id)
