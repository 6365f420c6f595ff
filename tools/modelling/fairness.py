"""The fair-lending report: how outcomes differ between groups, and whether chance explains it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from data.contracts.errors import ContractViolationError, named
from data.contracts.fairness import (
    Comparison,
    FairLendingReport,
    FairnessTerms,
    GroupFigures,
    Interval,
    Judgement,
    Standing,
)
from tools.modelling.fairness_files import Case, Groups
from tools.modelling.fairness_groups import Group, Member, grouped, reference_name
from tools.modelling.fairness_page import STATEMENT
from tools.modelling.fairness_search import search_cut_offs
from tools.modelling.fairness_statistics import (
    equal_rates_test,
    gap_interval,
    mean_test,
    odds_ratio,
    ratio_interval,
)


def fair_lending_report(
    cases: Sequence[Case], groups: Groups, terms: FairnessTerms
) -> FairLendingReport:
    """Compare the outcomes of groups, over all cases and by product and period.

    Raises ContractViolationError when no decision has a row in the groups, or a reference group
    is not there.
    """
    matched = [case for case in cases if case.application_id in groups.of]
    if not matched:
        raise ContractViolationError(
            "no application_id of the decisions is in the groups: give the groups of these"
            " applications, with ids written alike"
        )
    _refuse_unknown_references(groups, terms)
    known = {case.application_id for case in matched}
    chance = random.Random(terms.seed)  # noqa: S311 - a bootstrap that gives the same twice
    return FairLendingReport(
        statement=STATEMENT,
        terms=terms,
        decisions=len(cases),
        matched=len(matched),
        without_groups=len(cases) - len(matched),
        groups_without_decision=len(groups.of) - len(known),
        standings=_counted(case.standing for case in matched),
        comparisons=tuple(
            comparison
            for column, attribute in enumerate(groups.attributes)
            for comparison in _comparisons(
                attribute,
                [(case, groups.of[case.application_id][column]) for case in matched],
                terms,
                chance,
            )
        ),
        searches=search_cut_offs(matched, groups, terms),
    )


def _refuse_unknown_references(groups: Groups, terms: FairnessTerms) -> None:
    for attribute, group in terms.references.items():
        if attribute not in groups.attributes:
            raise ContractViolationError(
                f"--reference {named(attribute)}: the file of groups has no such column"
            )
        column = groups.attributes.index(attribute)
        if all(found[column] != group for found in groups.of.values()):
            raise ContractViolationError(
                f"--reference {named(attribute)}: no application is in this group: write it as the"
                " file does"
            )


def _comparisons(
    attribute: str, members: list[Member], terms: FairnessTerms, chance: random.Random
) -> Iterator[Comparison]:
    """One comparison over all cases and one for each part, all with the same reference group."""
    reference = reference_name(attribute, grouped(members, terms), terms)
    for part, value, found in _parts(members):
        compared = _compared(attribute, grouped(found, terms), reference, terms, chance)
        yield compared.model_copy(update={"part": part, "value": value})


def _parts(members: list[Member]) -> Iterator[tuple[str, str, list[Member]]]:
    """All cases, and those of each product and of each period where there are several."""
    yield "", "", members
    keys: dict[str, Callable[[Case], str]] = {
        "product": lambda case: case.product,
        "period": lambda case: case.period,
    }
    for part, key in keys.items():
        found: defaultdict[str, list[Member]] = defaultdict(list)
        for member in members:
            found[key(member[0])].append(member)
        if len(found) > 1:
            yield from ((part, value, found[value]) for value in sorted(found) if value)


def _compared(
    attribute: str,
    groups: Sequence[Group],
    chosen: str | None,
    terms: FairnessTerms,
    chance: random.Random,
) -> Comparison:
    fit = (group for group in groups if group.name == chosen and group.fits(terms))
    reference = next(fit, None)
    spreads = {measure: _spread(groups, measure) for measure in ("score", "pd")}
    has_apr = any(group.prices("apr") for group in groups)
    figures = _Figures(reference, spreads, "apr" if has_apr else "rate", terms, chance)
    return Comparison(
        attribute=attribute,
        reference=reference.name if reference else None,
        groups=tuple(figures.of(group) for group in groups),
        note=_note(groups, chosen, reference, terms),
    )


def _note(
    groups: Iterable[Group], chosen: str | None, reference: Group | None, terms: FairnessTerms
) -> str:
    """Why nothing is compared; empty where groups are."""
    enough = f"{terms.min_n} judged cases and an approval"
    if chosen is None:
        return f"no group has {enough}: nothing is compared"
    if reference is None:
        return f"too few cases of the reference group {chosen}, which needs {enough}"
    if not any(group.name and group is not reference for group in groups):
        return "there is one group only: nothing is compared"
    return ""


def _spread(groups: Iterable[Group], measure: str) -> float:
    """The standard deviation of a measure over the cases of all groups; 0 without any."""
    values = [value for group in groups for value in group.values(measure)]
    return pstdev(values) if values else 0.0


@dataclass(frozen=True)
class _Figures:
    """Computes the figures of groups against one reference group."""

    reference: Group | None
    spreads: Mapping[str, float]
    price: str
    terms: FairnessTerms
    chance: random.Random

    def of(self, group: Group) -> GroupFigures:
        counts, prices = group.counts, group.prices(self.price)
        figures = GroupFigures(
            group=group.name,
            n=sum(counts),
            approved=counts[0],
            denied=counts[1],
            left_out=group.left_out,
            approval_rate=_rounded(group.rate) if group.judged else None,
            price=self.price if prices else "",
            price_n=len(prices),
            price_mean=_rounded(fmean(prices)) if prices else None,
            judgement=Judgement.NOT_JUDGED,
        )
        if group is self.reference:
            return figures.model_copy(update={"judgement": Judgement.REFERENCE})
        if self.reference is None or not group.name or not group.judged:
            return figures
        compared = self._rates(group, self.reference) | self._means(group, self.reference)
        figures = figures.model_copy(update=compared)
        if figures.n < self.terms.min_n:
            return figures
        findings = self._findings(figures, group, self.reference)
        judgement = Judgement.CLEAR
        if findings:
            judgement = Judgement.FLAGGED if any(findings.values()) else Judgement.WATCH
        return figures.model_copy(update={"judgement": judgement, "findings": tuple(findings)})

    def _rates(self, group: Group, reference: Group) -> dict[str, object]:
        ratio, odds = odds_ratio(group.counts, reference.counts)
        test, p_value = equal_rates_test(group.counts, reference.counts)
        air = ratio_interval(self.chance, group.counts, reference.counts, self.terms.resamples)
        return {
            "air": _rounded(group.rate / reference.rate),
            "air_interval": _interval(air),
            "odds_ratio": _rounded(ratio),
            "odds_interval": _interval(odds),
            "test": test,
            "p_value": _rounded(p_value),
        }

    def _means(self, group: Group, reference: Group) -> dict[str, object]:
        smd = {
            measure: _rounded((fmean(values) - fmean(others)) / spread)
            for measure, spread in self.spreads.items()
            if spread
            and (values := group.values(measure))
            and (others := reference.values(measure))
        }
        found: dict[str, object] = {"smd": smd}
        prices, others = group.prices(self.price), reference.prices(self.price)
        if prices and others:
            found["price_gap"] = _rounded(fmean(prices) - fmean(others))
            found["price_interval"] = _interval(
                gap_interval(self.chance, prices, others, self.terms.resamples)
            )
        return found

    def _findings(self, figures: GroupFigures, group: Group, reference: Group) -> dict[str, bool]:
        """The measures beyond their thresholds, and whether chance rarely explains each."""
        terms = self.terms
        found: dict[str, bool] = {}
        if figures.air is not None and figures.air < terms.air_below:
            found["air"] = figures.p_value is not None and figures.p_value < terms.significance
        for measure, smd in figures.smd.items():
            if abs(smd) >= terms.smd_from:
                sizes = len(group.values(measure)), len(reference.values(measure))
                found[f"smd:{measure}"] = mean_test(smd, *sizes) < terms.significance
        priced = min(figures.price_n, len(reference.prices(self.price)))
        gap, interval = figures.price_gap, figures.price_interval
        if priced >= terms.min_n and gap is not None and abs(gap) >= terms.price_gap_from:
            found["price"] = interval is not None and not interval.low <= 0 <= interval.high
        return found


def _counted(standings: Iterable[Standing]) -> dict[str, int]:
    return {standing.value: count for standing, count in sorted(Counter(standings).items())}


def _interval(ends: tuple[float, float] | None) -> Interval | None:
    return Interval(low=_rounded(ends[0]), high=_rounded(ends[1])) if ends else None


def _rounded(value: float) -> float:
    return round(value, 6)
