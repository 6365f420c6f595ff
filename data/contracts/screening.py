"""A screening: which entries of the sanctions lists the applicants resemble."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import model_validator

from data.contracts.application import ApplicantRole
from data.contracts.base import Contract, Day, Sha256, Slug
from data.contracts.quantities import Count, Points


class WatchlistStatus(StrEnum):
    CLEAR = "clear"
    POTENTIAL = "potential"
    TRUE_MATCH = "true_match"

    @property
    def gravity(self) -> int:
        """0 for clear, 1 for potential, 2 for a true match."""
        return tuple(WatchlistStatus).index(self)


class WatchlistCandidate(Contract):
    """One list entry that resembles one applicant."""

    applicant: ApplicantRole
    entry_id: Slug
    status: WatchlistStatus
    score: Points
    dob_agrees: bool | None
    """None when the list gives no date of birth."""
    why: tuple[str, ...] = ()
    """Codes of what the names have in common, and of the date of birth and the country."""
    source: Slug | None = None
    """The list of the entry; None in a screening of the time when there was one list."""
    subject: Sha256 | None = None
    """The digest of the person's name and date of birth and of the whole entry."""
    clearance: str | None = None
    """The id of the clearance by compliance that covers this candidate."""

    def after(self, clearances: Mapping[str, str]) -> Self:
        """The candidate, clear if it is a doubt that a clearance covers: ids by digest."""
        found = clearances.get(self.subject or "")
        if found is None or self.status is not WatchlistStatus.POTENTIAL:
            return self
        return self.model_copy(update={"status": WatchlistStatus.CLEAR, "clearance": found})


class ListEdition(Contract):
    """One edition of one list."""

    name: Slug
    list_date: Day
    version: Sha256


class WatchlistScreening(Contract):
    """The result of screening the applicants against the current editions of all lists."""

    status: WatchlistStatus
    count: Count = 0
    """How many candidates were found, also where they are left out."""
    candidates: tuple[WatchlistCandidate, ...] = ()
    """Only for compliance: empty in states, events and checkpoints."""
    list_name: Slug
    """Name, date and digest of the first list."""
    list_date: Day
    list_version: Sha256
    other_lists: tuple[ListEdition, ...] = ()

    @property
    def lists(self) -> tuple[ListEdition, ...]:
        """The editions of all lists that were used."""
        first = ListEdition(
            name=self.list_name, list_date=self.list_date, version=self.list_version
        )
        return (first, *self.other_lists)

    @property
    def editions(self) -> str:
        """All lists by name and date, for the record of the decision."""
        return " ".join(f"{edition.name}/{edition.list_date}" for edition in self.lists)

    @model_validator(mode="before")
    @classmethod
    def _count_stored_candidates(cls, content: Any) -> Any:
        """A screening that was stored before there was a count has its candidates instead."""
        if isinstance(content, dict) and "count" not in content:
            return content | {"count": len(content.get("candidates", ()))}
        return content

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The digests of the candidates that a person would have to look at."""
        return tuple(
            candidate.subject
            for candidate in self.candidates
            if candidate.status is WatchlistStatus.POTENTIAL and candidate.subject
        )

    def after_clearances(self, clearances: Mapping[str, str]) -> Self:
        """The screening without the doubts that clearances cover: their ids by digest.

        A true match stays one: no clearance covers it.
        """
        candidates = tuple(candidate.after(clearances) for candidate in self.candidates)
        worst = max((found.status.gravity for found in candidates), default=0)
        return self.model_copy(
            update={"candidates": candidates, "status": tuple(WatchlistStatus)[worst]}
        )


WATCHLIST_RECORD = "watchlist"
"""The name of the restricted record with the whole screening of a run."""
