"""A sanctions list: whom the desk may not do business with, and as of when."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Slug, sha256_of
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
