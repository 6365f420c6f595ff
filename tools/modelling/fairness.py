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
    CounterOfferAs,
    FairLendingReport,
    FairnessTerms,
    GroupFigures,
    Interval,
    Judgement,
    Standing,
)
from tools.modelling.fairness_files import Case, Groups
from tools.modelling.fairness_page import STATEMENT
from tools.modelling.fairness_search import search_cut_offs
from tools.modelling.fairness_statistics import (
    Counts,
    equal_rates_test,
    gap_interval,
    mean_test,
    odds_ratio,
    ratio_interval,
)

Member = tuple[Case, str]
"""A case and its group in one attribute."""


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
            _compared(attribute, part, value, members, terms, chance)
            for column, attribute in enumerate(groups.attributes)
            for part, value, members in _parts(
                [(case, groups.of[case.application_id][column]) for case in matched]
            )
        ),
        searches=search_cut_offs(matched, groups, terms),
    )


def counts_as(standing: Standing, terms: FairnessTerms) -> Standing:
    """What a standing counts as: a counter-offer counts as the terms say."""
    if standing is not Standing.COUNTER_OFFER:
        return standing
    if terms.counter_offers is CounterOfferAs.LEFT_OUT:
        return standing
    return Standing(terms.counter_offers.value)


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


@dataclass(frozen=True)
class _Group:
    """The cases of one group, sorted by what they count as."""

    name: str
    judged: Sequence[Case]
    approved: Sequence[Case]
    left_out: dict[str, int]

    @property
    def counts(self) -> Counts:
        return len(self.approved), len(self.judged) - len(self.approved)

    @property
    def rate(self) -> float:
        return len(self.approved) / len(self.judged) if self.judged else 0.0

    def values(self, measure: str) -> list[float]:
        """The known values of a measure among the judged cases."""
        return [value for case in self.judged if (value := getattr(case, measure)) is not None]

    def prices(self, price: str) -> list[float]:
        return [value for case in self.approved if (value := getattr(case, price)) is not None]


def _compared(
    attribute: str,
    part: str,
    value: str,
    members: Iterable[Member],
    terms: FairnessTerms,
    chance: random.Random,
) -> Comparison:
    found = _grouped(members, terms)
    reference = _reference(attribute, found, terms)
    spreads = {measure: _spread(found, measure) for measure in ("score", "pd")}
    has_apr = any(group.prices("apr") for group in found)
    figures = _Figures(reference, spreads, "apr" if has_apr else "rate", terms, chance)
    others = [group for group in found if group.name and group is not reference]
    note = ""
    if reference is None:
        note = f"no group has {terms.min_n} judged cases and an approval: nothing is compared"
    elif not others:
        note = "there is one group only: nothing is compared"
    return Comparison(
        attribute=attribute,
        part=part,
        value=value,
        reference=reference.name if reference else None,
        groups=tuple(figures.of(group) for group in found),
        note=note,
    )


def _grouped(members: Iterable[Member], terms: FairnessTerms) -> list[_Group]:
    found: defaultdict[str, list[Case]] = defaultdict(list)
    for case, name in members:
        found[name].append(case)
    groups = []
    for name in sorted(found, key=lambda name: (not name, name)):
        by_standing: defaultdict[Standing, list[Case]] = defaultdict(list)
        for case in found[name]:
            by_standing[counts_as(case.standing, terms)].append(case)
        approved = by_standing.pop(Standing.APPROVED, [])
        judged = approved + by_standing.pop(Standing.DENIED, [])
        left_out = {standing.value: len(cases) for standing, cases in sorted(by_standing.items())}
        groups.append(_Group(name, judged, approved, left_out))
    return groups


def _reference(attribute: str, groups: Sequence[_Group], terms: FairnessTerms) -> _Group | None:
    """The named group, or the one with the highest approval rate; None if it has too few cases."""
    named_one = terms.references.get(attribute)
    fit = [
        group
        for group in groups
        if group.name
        and len(group.judged) >= terms.min_n
        and group.approved
        and named_one in {None, group.name}
    ]
    return max(fit, key=lambda group: (group.rate, len(group.judged)), default=None)


def _spread(groups: Iterable[_Group], measure: str) -> float:
    """The standard deviation of a measure over the cases of all groups; 0 without any."""
    values = [value for group in groups for value in group.values(measure)]
    return pstdev(values) if values else 0.0


@dataclass(frozen=True)
class _Figures:
    """Computes the figures of groups against one reference group."""

    reference: _Group | None
    spreads: Mapping[str, float]
    price: str
    terms: FairnessTerms
    chance: random.Random

    def of(self, group: _Group) -> GroupFigures:
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

    def _rates(self, group: _Group, reference: _Group) -> dict[str, object]:
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

    def _means(self, group: _Group, reference: _Group) -> dict[str, object]:
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

    def _findings(self, figures: GroupFigures, group: _Group, reference: _Group) -> dict[str, bool]:
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
