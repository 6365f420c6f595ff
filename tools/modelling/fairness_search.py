"""A search for less discriminatory alternatives: the same cases under other cut-offs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from data.contracts.fairness import (
    CounterOfferAs,
    CutOff,
    FairnessTerms,
    LowestAir,
    Search,
    Standing,
)
from tools.modelling.fairness_files import Case, Groups

STEPS = 20
"""The table has a cut-off for each twentieth of the cases, and that of today."""


def search_cut_offs(
    cases: Sequence[Case], groups: Groups, terms: FairnessTerms
) -> tuple[Search, ...]:
    """The cut-offs of each measure that the decisions have: `pd`, `score`.

    A case counts when it was approved or denied and has the measure.
    """
    found = (_searched(measure, cases, groups, terms) for measure in ("pd", "score"))
    return tuple(search for search in found if search is not None)


@dataclass(frozen=True)
class _Ranked:
    """Cases in the order of a measure, the best first."""

    measure: str
    values: Sequence[float]
    """Ascending: a score is turned round, so that less is better."""
    pds: Sequence[float] | None
    """Sums of the PD of the first cases; None when it is not known of all."""
    groups: Mapping[tuple[str, str], Sequence[int]]
    """By attribute and group: the places of its cases in the order."""

    def approving(self, wanted: int) -> int:
        """How many cases a cut-off approves that approves about so many: equal values go along."""
        return bisect_right(self.values, self.values[wanted - 1]) if wanted else 0


def _searched(
    measure: str, cases: Sequence[Case], groups: Groups, terms: FairnessTerms
) -> Search | None:
    judged = [
        case
        for case in cases
        if getattr(case, measure) is not None and _approved(case, terms) is not None
    ]
    approved = sum(_approved(case, terms) is True for case in judged)
    if not approved:
        return None
    direction = 1 if measure == "pd" else -1
    order = sorted(judged, key=lambda case: direction * getattr(case, measure))
    ranked = _ranked(measure, direction, order, groups)
    current = ranked.approving(approved)
    sizes = {ranked.approving(len(order) * step // STEPS) for step in range(1, STEPS)} | {current}
    today = _cut_off(ranked, current, current, None, terms)
    return Search(
        measure=measure,
        cases=len(order),
        agreement=round(
            sum(_approved(case, terms) is (place < current) for place, case in enumerate(order))
            / len(order),
            6,
        ),
        cut_offs=tuple(
            _cut_off(ranked, size, current, today, terms) for size in sorted(sizes) if size
        ),
    )


def _approved(case: Case, terms: FairnessTerms) -> bool | None:
    """Whether a case counts as approved; None when it does not count."""
    if case.standing is Standing.COUNTER_OFFER:
        if terms.counter_offers is CounterOfferAs.LEFT_OUT:
            return None
        return terms.counter_offers is CounterOfferAs.APPROVED
    return {Standing.APPROVED: True, Standing.DENIED: False}.get(case.standing)


def _ranked(measure: str, direction: int, order: Sequence[Case], groups: Groups) -> _Ranked:
    places: dict[tuple[str, str], list[int]] = {}
    for place, case in enumerate(order):
        for pair in zip(groups.attributes, groups.of[case.application_id], strict=True):
            if pair[1]:
                places.setdefault(pair, []).append(place)
    pds = [case.pd for case in order if case.pd is not None]
    return _Ranked(
        measure=measure,
        values=[direction * getattr(case, measure) for case in order],
        pds=[0.0, *accumulate(pds)] if len(pds) == len(order) else None,
        groups=places,
    )


def _cut_off(
    ranked: _Ranked, size: int, current: int, today: CutOff | None, terms: FairnessTerms
) -> CutOff:
    lowest = tuple(_lowest(ranked, size, terms))
    expected = round(ranked.pds[size] / size, 6) if ranked.pds else None
    return CutOff(
        cut_off=abs(ranked.values[size - 1])
        if ranked.measure == "pd"
        else -ranked.values[size - 1],
        approval_rate=round(size / len(ranked.values), 6),
        expected_default_rate=expected,
        lowest=lowest,
        less_discriminatory=today is not None and _is_better(lowest, expected, today, terms),
        is_current=size == current,
    )


def _lowest(ranked: _Ranked, size: int, terms: FairnessTerms) -> Iterator[LowestAir]:
    """The lowest ratio of each attribute with two groups or more that have enough cases."""
    rates: dict[str, dict[str, float]] = {}
    for (attribute, group), places in ranked.groups.items():
        if len(places) >= terms.min_n:
            rates.setdefault(attribute, {})[group] = bisect_right(places, size - 1) / len(places)
    for attribute, found in rates.items():
        highest = terms.references.get(attribute)
        reference = found.get(highest, 0.0) if highest else max(found.values())
        if len(found) > 1 and reference:
            group = min(found, key=lambda name: (found[name], name))
            yield LowestAir(
                attribute=attribute, group=group, air=round(found[group] / reference, 6)
            )


def _is_better(
    lowest: Sequence[LowestAir], expected: float | None, today: CutOff, terms: FairnessTerms
) -> bool:
    """Whether no ratio is lower than today's, one is higher, and about as few loans default."""
    if expected is None or today.expected_default_rate is None:
        return False
    then = {found.attribute: found.air for found in today.lowest}
    gains = [found.air - then[found.attribute] for found in lowest if found.attribute in then]
    is_about_as_safe = expected <= today.expected_default_rate + terms.risk_tolerance
    return is_about_as_safe and min(gains, default=0.0) >= 0 and max(gains, default=0.0) > 0
