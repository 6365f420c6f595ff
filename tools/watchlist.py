"""Sanctions screening: compares people with all names and aliases of all current lists.

An entry matches with a name that resembles an applicant's, and a date of birth within a year or
unknown. The date of birth clears namesakes, not a tight threshold. A list that is missing, empty or
too old clears no applicant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from data.contracts.application import ApplicantRole
from data.contracts.base import sha256_of
from data.contracts.errors import ToolError
from data.contracts.screening import (
    ListEdition,
    WatchlistCandidate,
    WatchlistScreening,
    WatchlistStatus,
)
from data.contracts.watchlist import (
    ListedCandidate,
    ScreeningTerms,
    Watchlist,
    WatchlistEntry,
)
from data.rounding import match_score
from data.settings import Settings
from data.strict_json import StrictJsonError, parse_json
from tools.base import tool
from tools.versioned_data import load_versioned
from tools.watchlist_index import Hit, ScreeningIndex

DOB_TOLERANCE = timedelta(days=366)


class WatchlistUnavailableError(ToolError):
    """A list is missing, unreadable, empty or too old, so no applicant can be cleared."""

    code = "watchlist_unavailable"


@dataclass(frozen=True)
class Person:
    """What screening knows of one person."""

    name: str
    dob: date | None = None
    country: str | None = None
    """Two letters of ISO 3166; None when unknown."""
    role: ApplicantRole = ApplicantRole.PRIMARY


@dataclass(frozen=True)
class Watchlists:
    """The lists that a desk screens against: every `*.json` file of its folders."""

    folders: tuple[Path, ...]
    terms: ScreeningTerms
    max_age_days: int | None = None
    """A limit for every list in place of those of the terms."""
    required: tuple[Path, ...] = ()
    """Folders that must be there: one that a setting names and that is missing clears no applicant,
    because its lists would be left out in silence."""

    @classmethod
    def of(cls, settings: Settings) -> Watchlists:
        """The lists that the desk ships and those that were imported into its folder."""
        return cls(
            folders=(settings.data_dir / "watchlists", settings.imported_watchlists),
            terms=load_screening_terms(settings.data_dir),
            max_age_days=settings.watchlist_max_age_days,
            required=(settings.imported_watchlists,) if settings.watchlist_dir else (),
        )

    @classmethod
    def shipped(cls, data_dir: Path) -> Watchlists:
        """The lists of the data folder alone."""
        return cls((data_dir / "watchlists",), load_screening_terms(data_dir))

    def current(self, as_of: date) -> tuple[ScreeningIndex, ...]:
        """All lists. A file is read again only when it changes.

        Raises WatchlistUnavailableError when one of them, or the lack of any, clears no applicant.
        """
        indexes = self._indexes()
        if not indexes:
            raise WatchlistUnavailableError("there is no watchlist: import one")
        for index in indexes:
            self._refuse_if_useless(index.watchlist, as_of)
        return indexes

    def entries(self) -> dict[tuple[str, str], WatchlistEntry]:
        """The entries of all lists as they are now, by list and id; also of lists that are old."""
        return {
            (index.watchlist.name, entry_id): entry
            for index in self._indexes()
            for entry_id, entry in index.entries.items()
        }

    def editions(self) -> frozenset[ListEdition]:
        """The editions of all lists as they are now."""
        return frozenset(_edition(index.watchlist) for index in self._indexes())

    def _indexes(self) -> tuple[ScreeningIndex, ...]:
        if not all(folder.is_dir() for folder in self.required):
            raise WatchlistUnavailableError(
                "the folder that CREDIT_DESK_WATCHLIST_DIR names is missing: import a list into it"
            )
        files = [path for folder in self.folders for path in sorted(folder.glob("*.json"))]
        return tuple(_in_file(path) for path in files)

    def _refuse_if_useless(self, watchlist: Watchlist, as_of: date) -> None:
        if not watchlist.entries:
            raise WatchlistUnavailableError(f"{watchlist.name} has no entries")
        limit = self.max_age_days or self.terms.max_age_of(watchlist.name)
        age = (as_of - watchlist.list_date).days
        if age > limit:
            raise WatchlistUnavailableError(
                f"{watchlist.name} is {age} days old, more than {limit}: import today's edition"
            )


def load_screening_terms(data_dir: Path) -> ScreeningTerms:
    """Read `policy/screening.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "screening.yaml", ScreeningTerms)


@tool()
def screen_watchlists(
    lists: Watchlists, people: tuple[Person, ...], as_of: date
) -> WatchlistScreening:
    """Screen people against all names and aliases of all lists.

    A true match has an equal name, in any order of its words, and an equal date of birth. A
    namesake whom the date clears stays in the record as a clear candidate. Raises
    WatchlistUnavailableError when the lists cannot clear an applicant.
    """
    return screening_of(lists.current(as_of), people)


def screening_of(
    indexes: tuple[ScreeningIndex, ...], people: tuple[Person, ...]
) -> WatchlistScreening:
    """Screen people against lists that are loaded and current."""
    candidates = tuple(
        sorted(
            (
                _candidate(person, index.watchlist, hit)
                for index in indexes
                for person in people
                for hit in index.hits(person.name)
            ),
            key=_gravest_first,
        )
    )
    worst = max(
        (candidate.status for candidate in candidates),
        key=lambda status: status.gravity,
        default=WatchlistStatus.CLEAR,
    )
    first, *others = (_edition(index.watchlist) for index in indexes)
    return WatchlistScreening(
        status=worst,
        count=len(candidates),
        candidates=candidates,
        list_name=first.name,
        list_date=first.list_date,
        list_version=first.version,
        other_lists=tuple(others),
    )


def compare_with_lists(
    lists: Watchlists, screening: WatchlistScreening, dobs: Mapping[ApplicantRole, date]
) -> tuple[ListedCandidate, ...]:
    """The details that compliance needs to compare an applicant with listed people.

    The candidates come from the screening, and their entries from the current lists. The result
    has names of people: show it to compliance only and do not store it.
    """
    try:
        entries, today = lists.entries(), lists.editions()
    except WatchlistUnavailableError:
        entries, today = {}, frozenset()
    used = {edition.name: edition for edition in screening.lists}
    return tuple(
        ListedCandidate(
            **candidate.model_dump(),
            dob_is_equal=entry is not None and dobs.get(candidate.applicant) in entry.dobs,
            list_name=edition.name,
            list_date=edition.list_date,
            list_has_changed=edition not in today,
            entry=entry,
        )
        for candidate in screening.candidates
        for edition in [used[candidate.source or screening.list_name]]
        for entry in [entries.get((edition.name, candidate.entry_id))]
    )


def _gravest_first(candidate: WatchlistCandidate) -> tuple[str, int, Decimal, str]:
    grave = candidate.status.gravity
    return candidate.applicant, -grave, -candidate.score, candidate.entry_id


def _in_file(path: Path) -> ScreeningIndex:
    try:
        found = path.stat()
        state = (found.st_mtime_ns, found.st_size)
        known = _built.get(path)
        if known is None or known[0] != state:
            known = _built[path] = (state, _read(path))
        return known[1]
    except (OSError, StrictJsonError, ValidationError):
        raise WatchlistUnavailableError(f"{path.name} is missing or cannot be read") from None


_built: dict[Path, tuple[tuple[int, int], ScreeningIndex]] = {}
"""The index of each file, with the file's time and size when it was read. Building one takes
seconds, so none makes room for another; a new edition takes the place of the last."""


def _read(path: Path) -> ScreeningIndex:
    content = parse_json(path.read_bytes(), "the list")
    return ScreeningIndex(Watchlist.model_validate(content))


def _edition(watchlist: Watchlist) -> ListEdition:
    return ListEdition(
        name=watchlist.name, list_date=watchlist.list_date, version=watchlist.version
    )


def _candidate(person: Person, watchlist: Watchlist, hit: Hit) -> WatchlistCandidate:
    entry = hit.entry
    agrees = entry.agrees_with(person.dob, DOB_TOLERANCE) if person.dob else None
    if agrees is False:
        status = WatchlistStatus.CLEAR
    elif hit.likeness.equal and person.dob in entry.dobs:
        status = WatchlistStatus.TRUE_MATCH
    else:
        status = WatchlistStatus.POTENTIAL
    return WatchlistCandidate(
        applicant=person.role,
        entry_id=entry.entry_id,
        status=status,
        score=match_score(hit.likeness.score),
        dob_agrees=agrees,
        why=(*hit.likeness.why, *_beside_the_name(person, entry, agrees)),
        source=watchlist.name,
        subject=_subject(person, watchlist, entry) if status is WatchlistStatus.POTENTIAL else None,
    )


def _subject(person: Person, watchlist: Watchlist, entry: WatchlistEntry) -> str:
    """The digest of what compliance compares: this person with this entry, both as they are now."""
    return sha256_of(
        {
            "name": " ".join(person.name.split()),
            "dob": person.dob.isoformat() if person.dob else None,
            "list": watchlist.name,
            "entry": entry.model_dump(mode="json"),
        }
    )


def _beside_the_name(person: Person, entry: WatchlistEntry, agrees: bool | None) -> tuple[str, ...]:
    """Codes of the other facts. A country supports a match and never clears a person by itself."""
    dob = {None: "dob_unknown", True: "dob_near", False: "dob_differs"}[agrees]
    if person.dob in entry.dobs:
        dob = "dob_equal"
    if not person.country or not entry.countries:
        return (dob,)
    return (dob, "country_agrees" if person.country in entry.countries else "country_differs")
