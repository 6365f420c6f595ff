"""Sanctions screening: compares the applicants with all names and aliases of a list.

An entry matches with nearly the same set of words or nearly the same letters, and a date of birth
within a year or unknown. This rule gave the best results on a real list. The date of birth clears
namesakes, not a tight threshold. A list that is missing, empty or too old clears no applicant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError
from rapidfuzz import fuzz, process

from data.contracts.application import ApplicantRole
from data.contracts.errors import ToolError
from data.contracts.findings import WatchlistCandidate, WatchlistScreening, WatchlistStatus
from data.contracts.watchlist import ListedCandidate, Watchlist, WatchlistEntry
from data.rounding import match_score
from data.strict_json import StrictJsonError, parse_json
from tools.base import tool
from tools.names import name_tokens

TOKEN_SET_FROM = 90.0
SORTED_FROM = 85.0
DOB_TOLERANCE_DAYS = 366

_GRAVITY = {WatchlistStatus.CLEAR: 0, WatchlistStatus.POTENTIAL: 1, WatchlistStatus.TRUE_MATCH: 2}


class WatchlistUnavailableError(ToolError):
    """The list is missing, unreadable, empty or too old, so it cannot clear an applicant."""

    code = "watchlist_unavailable"


@dataclass(frozen=True)
class ScreeningIndex:
    """One edition of a list with all its names in normal form."""

    watchlist: Watchlist
    names: tuple[str, ...]
    owners: tuple[WatchlistEntry, ...]
    """The entry of each name, in the order of `names`."""
    of_several_words: dict[int, str]
    """The names for comparison by words. A one-word name would match too many applicants."""

    @classmethod
    def of(cls, watchlist: Watchlist) -> ScreeningIndex:
        spelled = [
            (" ".join(name_tokens(name)), entry)
            for entry in watchlist.entries
            for name in (*entry.names, *entry.aliases)
        ]
        names = tuple(name for name, _ in spelled)
        return cls(
            watchlist=watchlist,
            names=names,
            owners=tuple(entry for _, entry in spelled),
            of_several_words={place: name for place, name in enumerate(names) if " " in name},
        )

    def scores(self, name: str) -> dict[str, tuple[WatchlistEntry, float, bool]]:
        """Entries with a similar name, by id: the entry, its score, and whether a name is equal."""
        sought = " ".join(name_tokens(name))
        hits = process.extract(
            sought, self.names, scorer=fuzz.ratio, score_cutoff=SORTED_FROM, limit=None
        )
        if " " in sought:
            hits += process.extract(
                sought,
                self.of_several_words,
                scorer=fuzz.token_set_ratio,
                score_cutoff=TOKEN_SET_FROM,
                limit=None,
            )
        found: dict[str, tuple[WatchlistEntry, float, bool]] = {}
        for spelled, score, place in hits:
            entry = self.owners[place]
            _, best, equal = found.get(entry.entry_id, (entry, 0.0, False))
            found[entry.entry_id] = (entry, max(best, score), equal or spelled == sought)
        return found


def load_watchlist(path: Path, as_of: date, max_age_days: int) -> ScreeningIndex:
    """The list in a file. The file is read again only when it changes.

    Raises WatchlistUnavailableError when the list cannot clear an applicant.
    """
    index = _in_file(path)
    if not index.watchlist.entries:
        raise WatchlistUnavailableError(f"{path.name} has no entries")
    age = (as_of - index.watchlist.list_date).days
    if age > max_age_days:
        raise WatchlistUnavailableError(f"{path.name} is {age} days old, more than {max_age_days}")
    return index


def watchlist_file(data_dir: Path) -> Path:
    """The path of the current list."""
    return data_dir / "watchlists" / "sanctions.json"


def compare_with_list(
    path: Path, screening: WatchlistScreening, dobs: Mapping[ApplicantRole, date]
) -> tuple[ListedCandidate, ...]:
    """The details that compliance needs to compare an applicant with listed people.

    The candidates come from the screening, and their entries from the current list. The result
    has names of people: show it to compliance only and do not store it.
    """
    try:
        watchlist: Watchlist | None = _in_file(path).watchlist
    except WatchlistUnavailableError:
        watchlist = None
    entries = {entry.entry_id: entry for entry in watchlist.entries} if watchlist else {}
    return tuple(
        ListedCandidate(
            **candidate.model_dump(),
            dob_is_equal=entry is not None and dobs.get(candidate.applicant) in entry.dobs,
            list_name=screening.list_name,
            list_date=screening.list_date,
            list_has_changed=watchlist is None or watchlist.version != screening.list_version,
            entry=entry,
        )
        for candidate in screening.candidates
        for entry in [entries.get(candidate.entry_id)]
    )


def _in_file(path: Path) -> ScreeningIndex:
    try:
        state = path.stat()
        return _read(path, state.st_mtime_ns, state.st_size)
    except (OSError, StrictJsonError, ValidationError):
        raise WatchlistUnavailableError(f"{path.name} is missing or cannot be read") from None


@lru_cache(maxsize=8)
def _read(path: Path, mtime_ns: int, size: int) -> ScreeningIndex:
    content = parse_json(path.read_bytes(), "the list")
    return ScreeningIndex.of(Watchlist.model_validate(content))


@tool()
def screen_watchlist(
    path: Path,
    people: tuple[tuple[ApplicantRole, str, date | None], ...],
    as_of: date,
    max_age_days: int,
) -> WatchlistScreening:
    """Screen people (role, full name, date of birth) against all names and aliases of a list.

    A true match has an equal name, in any order of its words, and an equal date of birth. A
    namesake whom the date clears stays in the record as a clear candidate. Raises
    WatchlistUnavailableError when the list cannot clear an applicant.
    """
    index = load_watchlist(path, as_of, max_age_days)
    candidates = tuple(
        sorted(
            (
                _candidate(role, dob, entry, score, equal)
                for role, name, dob in people
                for entry, score, equal in index.scores(name).values()
            ),
            key=lambda candidate: (candidate.applicant, candidate.entry_id),
        )
    )
    worst = max(
        (candidate.status for candidate in candidates),
        key=_GRAVITY.__getitem__,
        default=WatchlistStatus.CLEAR,
    )
    return WatchlistScreening(
        status=worst,
        count=len(candidates),
        candidates=candidates,
        list_name=index.watchlist.name,
        list_date=index.watchlist.list_date,
        list_version=index.watchlist.version,
    )


def _candidate(
    role: ApplicantRole, dob: date | None, entry: WatchlistEntry, score: float, equal: bool
) -> WatchlistCandidate:
    agrees: bool | None = None
    if dob is not None and entry.dobs:
        agrees = any(abs((dob - listed).days) <= DOB_TOLERANCE_DAYS for listed in entry.dobs)
    if agrees is False:
        status = WatchlistStatus.CLEAR
    elif equal and dob in entry.dobs:
        status = WatchlistStatus.TRUE_MATCH
    else:
        status = WatchlistStatus.POTENTIAL
    return WatchlistCandidate(
        applicant=role,
        entry_id=entry.entry_id,
        status=status,
        score=match_score(score),
        dob_agrees=agrees,
    )
