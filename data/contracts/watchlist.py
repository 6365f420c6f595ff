"""A sanctions list: people with whom the lender may not do business."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Day, Slug, sha256_of
from data.contracts.findings import WatchlistCandidate
from data.contracts.personal import Line


class WatchlistEntry(Contract):
    """One listed person with all known names."""

    entry_id: Slug
    names: Annotated[tuple[Line, ...], Field(min_length=1)]
    aliases: tuple[Line, ...] = ()
    dobs: tuple[Day, ...] = ()
    """Every reported date of birth; empty when none is known."""
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ()
    programme: Line


class Watchlist(Contract):
    """One edition of one list."""

    name: Slug
    list_date: Day
    entries: tuple[WatchlistEntry, ...]

    @cached_property
    def version(self) -> str:
        """The digest of the list. A record names it to say exactly which list was used."""
        return sha256_of(self)


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
