"""The cases of each group of one attribute, and the group that the others are compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data.contracts.fairness import CounterOfferAs, FairnessTerms, Standing
from tools.modelling.fairness_files import Case
from tools.modelling.fairness_statistics import Counts

Member = tuple[Case, str]
"""A case and its group in one attribute."""


@dataclass(frozen=True)
class Group:
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

    def fits(self, terms: FairnessTerms) -> bool:
        """Whether others can be compared with it."""
        return bool(self.name and len(self.judged) >= terms.min_n and self.approved)


def grouped(members: Iterable[Member], terms: FairnessTerms) -> list[Group]:
    """The groups by name, and last the cases whose group is not known."""
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
        groups.append(Group(name, judged, approved, left_out))
    return groups


def reference_name(attribute: str, groups: Iterable[Group], terms: FairnessTerms) -> str | None:
    """The named group, or the one with the highest approval rate; None if none has enough cases.

    It is chosen over all cases, and every product and period is compared with the same group.
    """
    if attribute in terms.references:
        return terms.references[attribute]
    fit = [group for group in groups if group.fits(terms)]
    highest = max(fit, key=lambda group: (group.rate, len(group.judged)), default=None)
    return highest.name if highest else None


def counts_as(standing: Standing, terms: FairnessTerms) -> Standing:
    """What a standing counts as: a counter-offer counts as the terms say."""
    if standing is not Standing.COUNTER_OFFER:
        return standing
    if terms.counter_offers is CounterOfferAs.LEFT_OUT:
        return standing
    return Standing(terms.counter_offers.value)
