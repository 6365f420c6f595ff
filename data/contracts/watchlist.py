"""A sanctions list: people with whom the lender may not do business."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from data.contracts.base import Contract, Day, Slug, sha256_of
from data.contracts.personal import Line
from data.contracts.quantities import Count
from data.contracts.screening import WatchlistCandidate


class EntryKind(StrEnum):
    INDIVIDUAL = "individual"
    ENTITY = "entity"
    VESSEL = "vessel"
    AIRCRAFT = "aircraft"


class BirthRange(Contract):
    """A date of birth that is known to a year, a month or a range of years."""

    first: Day
    last: Day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise PydanticCustomError("range_order", "last lies before first")
        return self


class WatchlistEntry(Contract):
    """One listed person or organisation with all known names."""

    entry_id: Slug
    names: Annotated[tuple[Line, ...], Field(min_length=1)]
    aliases: tuple[Line, ...] = ()
    dobs: tuple[Day, ...] = ()
    """Every reported date of birth; empty when none is known."""
    born: tuple[BirthRange, ...] = ()
    """Reported dates of birth that are not exact to the day."""
    kind: EntryKind = EntryKind.INDIVIDUAL
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
    programme: Line

    def agrees_with(self, dob: date, tolerance: timedelta) -> bool | None:
        """Whether a date of birth is near a reported one; None when none is reported."""
        reported = [(day, day) for day in self.dobs]
        reported += [(span.first, span.last) for span in self.born]
        if not reported:
            return None
        return any(first - tolerance <= dob <= last + tolerance for first, last in reported)


class Watchlist(Contract):
    """One edition of one list."""

    name: Slug
    list_date: Day
    entries: tuple[WatchlistEntry, ...]

    @cached_property
    def version(self) -> str:
        """The digest of the list. A record names it to say exactly which list was used."""
        return sha256_of(self)


class ScreeningTerms(Contract):
    """How old a list may be, and how long a clearance counts: `policy/screening.yaml`."""

    terms: Slug
    version: Line
    max_list_age_days: Annotated[Count, Field(ge=1)]
    max_list_age_days_of: dict[Slug, Annotated[Count, Field(ge=1)]] = Field(default_factory=dict)
    """Other limits, by the name of the list."""
    clearance_days: Annotated[Count, Field(ge=1)]
    """For how long a person whom compliance has cleared against an entry is not asked about."""

    def max_age_of(self, list_name: str) -> int:
        """The greatest age of a list, in days."""
        return self.max_list_age_days_of.get(list_name, self.max_list_age_days)


class ListedCandidate(WatchlistCandidate):
    """An entry that resembles an applicant, with all details of the list, for compliance only.

    The recorded screening holds only the ids of the entries.
    """

    dob_is_equal: bool
    """Whether the date of birth is exactly one of the entry's. `dob_agrees` allows one year."""
    list_name: Slug
    list_date: Day
    """The date of the edition that the screening used."""
    list_has_changed: bool
    """Whether the list is now another edition or missing, so that the entry may differ."""
    entry: WatchlistEntry | None
    """None when the list no longer has the entry."""
