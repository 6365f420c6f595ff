"""A sanctions list: whom the desk may not do business with, and as of when."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Slug, sha256_of
from data.contracts.findings import WatchlistCandidate
from data.contracts.personal import Line


class WatchlistEntry(Contract):
    """One listed person, under all names by which they are known."""

    entry_id: Slug
    names: Annotated[tuple[Line, ...], Field(min_length=1)]
    aliases: tuple[Line, ...] = ()
    dobs: tuple[date, ...] = ()
    """Every date of birth in circulation; empty when none is known."""
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
    programme: Line


class Watchlist(Contract):
    """One edition of one list."""

    name: Slug
    list_date: date
    entries: tuple[WatchlistEntry, ...]

    @cached_property
    def version(self) -> str:
        """The digest of the list, so that a record can say exactly what was screened against."""
        return sha256_of(self)


class ListedCandidate(WatchlistCandidate):
    """An entry that looks like an applicant, with all that the list says: for compliance's eyes.

    A screening as it is recorded knows entries by their ids only.
    """

    dob_is_equal: bool
    """Whether the applicant was born on one of the entry's dates; `dob_agrees` allows a year."""
    list_name: Slug
    list_date: date
    """Of the edition that the applicant was screened against."""
    list_has_changed: bool
    """Whether there is another edition by now, or none: the entry may say something else."""
    entry: WatchlistEntry | None
    """None when the list does not have it any more."""
