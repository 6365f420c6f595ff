"""The fair-lending report against figures computed by fairlearn, SciPy and by hand."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import pytest
from fairlearn.metrics import MetricFrame, selection_rate
from scipy import stats
from scipy.stats.contingency import odds_ratio as scipy_odds_ratio

from data.contracts.errors import ContractViolationError
from data.contracts.fairness import (
    Comparison,
    CounterOfferAs,
    FairLendingReport,
    FairnessTerms,
    GroupFigures,
    Judgement,
    Standing,
)
from tools.modelling.fairness import fair_lending_report
from tools.modelling.fairness_files import Case, Groups
from tools.modelling.fairness_page import fair_lending_page
from tools.modelling.fairness_statistics import binomial, equal_rates_test, gap_interval, odds_ratio

A, D = Standing.APPROVED, Standing.DENIED


def people(*counts: tuple[str, int, int]) -> tuple[list[Case], Groups]:
    """Cases and groups from (group, approved, denied)."""
    cases: list[Case] = []
    groups: dict[str, tuple[str, ...]] = {}
    for group, approved, denied in counts:
        for standing in [A] * approved + [D] * denied:
            name = f"app-{len(cases)}"
            cases.append(Case(name, standing))
            groups[name] = (group,)
    return cases, Groups(("sex",), groups)


def reported(*counts: tuple[str, int, int], **terms: object) -> FairLendingReport:
    return fair_lending_report(*people(*counts), FairnessTerms.model_validate(terms))


def figures(report: FairLendingReport, group: str, at: int = 0) -> GroupFigures:
    return next(found for found in report.comparisons[at].groups if found.group == group)


def test_approval_rates_and_their_ratio_are_those_of_fairlearn() -> None:
    cases, groups = people(("F", 118, 82), ("M", 190, 60), ("X", 30, 25))
    report = fair_lending_report(cases, groups, FairnessTerms())

    got = [int(case.standing is A) for case in cases]
    oracle = MetricFrame(
        metrics=selection_rate,
        y_true=got,
        y_pred=got,
        sensitive_features=[groups.of[case.application_id][0] for case in cases],
    )
    assert report.comparisons[0].reference == "M"
    for group, rate in oracle.by_group.items():
        assert figures(report, group).approval_rate == pytest.approx(rate, abs=1e-6)
    ratios = [found.air for found in report.comparisons[0].groups if found.air is not None]
    assert min(ratios) == pytest.approx(oracle.ratio(method="between_groups"), abs=1e-6)


@pytest.mark.parametrize(
    ("group", "reference"),
    [((118, 82), (190, 60)), ((3, 7), (20, 4)), ((40, 0), (400, 9)), ((5, 2000), (9, 2100))],
)
def test_tests_and_odds_ratios_are_those_of_scipy(
    group: tuple[int, int], reference: tuple[int, int]
) -> None:
    table = [[group[1], group[0]], [reference[1], reference[0]]]
    name, p_value = equal_rates_test(group, reference)

    few = stats.contingency.expected_freq(table).min() < 5
    exact = stats.fisher_exact(table).pvalue
    pooled = stats.chi2_contingency(table, correction=False).pvalue
    assert name == ("fisher" if few else "z")
    assert p_value == pytest.approx(exact if few else pooled, rel=1e-6)
    if all(cell for row in table for cell in row):
        oracle = scipy_odds_ratio(table, kind="sample")
        ratio, (low, high) = odds_ratio(group, reference)
        interval = oracle.confidence_interval()
        assert ratio == pytest.approx(oracle.statistic)
        assert (low, high) == pytest.approx((interval.low, interval.high))


def test_an_odds_ratio_with_an_empty_cell_is_finite() -> None:
    ratio, (low, high) = odds_ratio((40, 0), (400, 9))

    assert ratio == pytest.approx((0.5 * 400.5) / (40.5 * 9.5))
    assert 0 < low < ratio < high


@pytest.mark.parametrize("counts", [(3, 7), (590, 410), (70_000, 30_000)])
def test_a_drawn_rate_is_distributed_as_a_bootstrap_of_the_cases(counts: tuple[int, int]) -> None:
    draw, n = binomial(random.Random(5), counts), sum(counts)
    drawn = [draw() for _ in range(4_000)]

    share = counts[0] / n
    deviation = (share * (1 - share) / n) ** 0.5
    assert fmean(drawn) == pytest.approx(share, abs=5 * deviation / 4_000**0.5)
    assert stats.tstd(drawn) == pytest.approx(deviation, rel=0.06)
    assert all(0 <= rate <= 1 for rate in drawn)


def test_the_interval_of_a_gap_of_many_values_is_that_of_welch() -> None:
    chance = random.Random(8)
    values = [chance.gauss(0.14, 0.03) for _ in range(20_000)]
    others = [chance.gauss(0.13, 0.02) for _ in range(150)]

    low, high = gap_interval(chance, values, others, 2_000)

    oracle = stats.ttest_ind(values, others, equal_var=False).confidence_interval()
    width = oracle.high - oracle.low
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=0.12 * width)


def test_a_low_ratio_is_flagged_when_chance_rarely_gives_it_and_watched_otherwise() -> None:
    many = figures(reported(("F", 300, 300), ("M", 500, 100)), "F")
    few = figures(reported(("F", 21, 14), ("M", 27, 8)), "F")
    equal = figures(reported(("F", 300, 300), ("M", 310, 290)), "F")

    assert (many.judgement, many.findings) == (Judgement.FLAGGED, ("air",))
    assert many.air_interval is not None
    assert many.air_interval.low < 0.6 < many.air_interval.high < 0.8
    assert (few.judgement, few.findings) == (Judgement.WATCH, ("air",))
    assert (equal.judgement, equal.findings) == (Judgement.CLEAR, ())


def test_small_and_unknown_groups_are_shown_and_not_judged() -> None:
    report = reported(("F", 1, 28), ("", 0, 80), ("M", 50, 50))

    small, unknown = figures(report, "F"), figures(report, "")
    assert (small.n, small.judgement) == (29, Judgement.NOT_JUDGED)
    assert small.air == pytest.approx(2 / 29, abs=1e-6)
    assert (unknown.n, unknown.judgement, unknown.air) == (80, Judgement.NOT_JUDGED, None)
    assert report.flagged == 0


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ([("F", 40, 40)], "there is one group only"),
        ([("F", 4, 4), ("M", 3, 1)], "no group has 30 judged cases"),
        ([("F", 0, 40), ("M", 0, 90)], "no group has 30 judged cases and an approval"),
        ([("", 40, 40)], "no group has 30"),
    ],
)
def test_groups_that_cannot_be_compared_are_shown_with_the_reason(
    counts: Sequence[tuple[str, int, int]], note: str
) -> None:
    report = reported(*counts)

    assert report.comparisons[0].note.startswith(note)
    assert all(found.air is None for found in report.comparisons[0].groups)
    assert fair_lending_page(report)


def test_a_named_reference_group_takes_the_place_of_the_highest_rate() -> None:
    counts = ("F", 90, 10), ("M", 80, 20), ("X", 50, 50)

    assert reported(*counts).comparisons[0].reference == "F"
    report = reported(*counts, references={"sex": "M"})
    assert report.comparisons[0].reference == "M"
    assert figures(report, "F").air == pytest.approx(1.125)


@pytest.mark.parametrize(
    ("reference", "error"), [({"race": "x"}, "no such column"), ({"sex": "Z9"}, "as the file does")]
)
def test_an_unknown_reference_is_refused_without_its_value(
    reference: dict[str, str], error: str
) -> None:
    with pytest.raises(ContractViolationError, match=error) as refused:
        reported(("F", 40, 40), references=reference)
    assert "Z9" not in str(refused.value)


@pytest.mark.parametrize(
    ("as_what", "approved", "denied", "left_out"),
    [
        (CounterOfferAs.DENIED, 1, 2, {"withdrawn": 1}),
        (CounterOfferAs.APPROVED, 2, 1, {"withdrawn": 1}),
        (CounterOfferAs.LEFT_OUT, 1, 1, {"counter_offer": 1, "withdrawn": 1}),
    ],
)
def test_a_counter_offer_counts_as_the_terms_say(
    as_what: CounterOfferAs, approved: int, denied: int, left_out: dict[str, int]
) -> None:
    standings = (A, D, Standing.COUNTER_OFFER, Standing.WITHDRAWN)
    cases = [Case(f"a{number}", standing) for number, standing in enumerate(standings)]
    groups = Groups(("sex",), {case.application_id: ("F",) for case in cases})

    report = fair_lending_report(cases, groups, FairnessTerms(counter_offers=as_what))

    found = figures(report, "F")
    assert (found.approved, found.denied, found.left_out) == (approved, denied, left_out)


def scored(chance: random.Random, shift: float, n: int, group: str) -> list[tuple[Case, str]]:
    """Cases of a group whose PD is higher by a shift of log-odds, decided by one cut-off."""
    found = []
    for number in range(n):
        pd = 1 / (1 + 2.718281828 ** (3 - chance.gauss(shift, 1)))
        price = round(0.08 + pd + (0.02 if shift else 0.0), 4) if pd < 0.06 else None
        standing = A if pd < 0.06 else D
        found.append((Case(f"{group}{number}", standing, pd=pd, apr=price), group))
    return found


def joined(members: Iterable[tuple[Case, str]]) -> tuple[list[Case], Groups]:
    known = list(members)
    return [case for case, _ in known], Groups(
        ("sex",), {case.application_id: (group,) for case, group in known}
    )


def test_scores_and_prices_are_compared_and_flagged() -> None:
    chance = random.Random(2)
    cases, groups = joined(scored(chance, 1.0, 500, "F") + scored(chance, 0.0, 500, "M"))

    found = figures(fair_lending_report(cases, groups, FairnessTerms()), "F")

    pds = {
        group: [case.pd or 0.0 for case in cases if case.application_id[0] == group]
        for group in "FM"
    }
    spread = stats.tstd([*pds["F"], *pds["M"]]) * (999 / 1000) ** 0.5
    assert found.smd["pd"] == pytest.approx((fmean(pds["F"]) - fmean(pds["M"])) / spread, abs=1e-5)
    assert found.price == "apr"
    prices = {
        group: [case.apr for case in cases if case.application_id[0] == group and case.apr]
        for group in "FM"
    }
    assert found.price_gap == pytest.approx(fmean(prices["F"]) - fmean(prices["M"]), abs=1e-6)
    assert found.price_interval is not None
    assert found.price_gap is not None
    assert found.price_interval.low < found.price_gap < found.price_interval.high
    assert (found.judgement, found.findings) == (Judgement.FLAGGED, ("air", "smd:pd", "price"))


@pytest.mark.parametrize(
    ("prices", "gap", "dearer"),
    [((0.125, 0.115), -0.01, "F"), ((0.115, 0.125), 0.01, "M"), ((0.125, 0.1245), -0.0005, None)],
)
def test_a_price_gap_is_flagged_either_way_and_the_page_says_which_group_pays_more(
    prices: tuple[float, float], gap: float, dearer: str | None
) -> None:
    """All are approved, so that the first group, F, is the reference."""
    members = [
        (Case(f"{group}{number}", A, apr=price), group)
        for group, price in zip("FM", prices, strict=True)
        for number in range(40)
    ]
    report = fair_lending_report(*joined(members), FairnessTerms())

    found, said = figures(report, "M"), fair_lending_page(report)
    assert report.comparisons[0].reference == "F"
    assert found.price_gap == pytest.approx(gap)
    assert found.findings == (("price",) if dearer else ())
    assert found.judgement is (Judgement.FLAGGED if dearer else Judgement.CLEAR)
    assert said.count("pays more") == (1 if dearer else 0)
    assert dearer is None or f"flagged (price: {dearer} pays more)" in said


def test_the_search_shows_the_cut_off_of_today_and_marks_fairer_ones_that_cost_little() -> None:
    chance = random.Random(2)
    cases, groups = joined(scored(chance, 0.6, 1_000, "F") + scored(chance, 0.0, 1_000, "M"))
    report = fair_lending_report(cases, groups, FairnessTerms(risk_tolerance=0.01))

    [search] = report.searches
    today = next(cut_off for cut_off in search.cut_offs if cut_off.is_current)
    marked = [cut_off for cut_off in search.cut_offs if cut_off.less_discriminatory]
    assert (search.measure, search.cases, search.agreement) == ("pd", 2_000, 1.0)
    assert today.approval_rate == sum(case.standing is A for case in cases) / 2_000
    assert today.lowest[0].air == figures(report, "F").air
    approved = [case.pd for case in cases if case.standing is A and case.pd is not None]
    assert today.expected_default_rate == pytest.approx(fmean(approved), abs=1e-6)
    assert marked
    for cut_off in marked:
        assert cut_off.lowest[0].air > today.lowest[0].air
        assert (cut_off.expected_default_rate or 1) <= (today.expected_default_rate or 0) + 0.01
    strict = fair_lending_report(cases, groups, FairnessTerms(risk_tolerance=0.0)).searches[0]
    assert not any(cut_off.less_discriminatory for cut_off in strict.cut_offs)


def test_products_and_periods_are_compared_where_there_are_several() -> None:
    cases = [
        Case(f"a{number}", A if number % 3 else D, product="loan", period=f"2026-0{1 + number % 2}")
        for number in range(200)
    ]
    groups = Groups(
        ("sex",), {case.application_id: ("FM"[n // 100],) for n, case in enumerate(cases)}
    )

    report = fair_lending_report(cases, groups, FairnessTerms())

    def part(comparison: Comparison) -> tuple[str, str, int]:
        return comparison.part, comparison.value, sum(found.n for found in comparison.groups)

    assert [part(comparison) for comparison in report.comparisons] == [
        ("", "", 200),
        ("period", "2026-01", 100),
        ("period", "2026-02", 100),
    ]


def test_the_reference_of_all_cases_is_that_of_each_period_or_there_are_too_few_of_it() -> None:
    """M leads over all, F in January; in March there are ten of M."""
    counts = {
        "2026-01": (("F", 35, 5), ("M", 30, 10)),
        "2026-02": (("F", 5, 35), ("M", 40, 0)),
        "2026-03": (("F", 20, 20), ("M", 9, 1)),
    }
    members = [
        (Case(f"{period}{group}{standing}{number}", standing, period=period), group)
        for period, found in counts.items()
        for group, approved, denied in found
        for standing, count in ((A, approved), (D, denied))
        for number in range(count)
    ]

    report = fair_lending_report(*joined(members), FairnessTerms())

    assert [found.reference for found in report.comparisons] == ["M", "M", "M", None]
    assert figures(report, "F", at=1).air == pytest.approx(35 / 30, abs=1e-6)
    assert figures(report, "F", at=3).judgement is Judgement.NOT_JUDGED
    assert report.comparisons[3].note.startswith("too few cases of the reference group M")
    assert "Too few cases of the reference group M, which needs 30" in fair_lending_page(report)


def test_the_same_seed_gives_the_same_report_and_another_one_other_intervals() -> None:
    counts = ("F", 90, 60), ("M", 120, 30)

    assert reported(*counts) == reported(*counts)
    first, other = (figures(reported(*counts, seed=seed), "F") for seed in (1, 2))
    assert first.air == other.air
    assert first.air_interval != other.air_interval


def test_the_page_says_what_the_report_is_not_and_labels_are_no_markup() -> None:
    page = fair_lending_page(reported(("<b>|F", 40, 40), ("M", 60, 20)))

    assert "It is not the legal test." in page
    assert "29 CFR 1607.4(D)" in page
    assert "a counter-offer counts as a denial" in page
    assert "\\<b\\>\\|F" in page


def test_decisions_without_any_group_are_refused(tmp_path: Path) -> None:
    cases, _ = people(("F", 1, 1))
    with pytest.raises(ContractViolationError, match="no application_id of the decisions"):
        fair_lending_report(cases, Groups(("sex",), {"other": ("F",)}), FairnessTerms())
