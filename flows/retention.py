"""Retention of applications: erased when every rule that applies to them is satisfied.

An application that a rule keeps for longer than others is marked with that day, so that no round
looks at it again before. Other rules ask again.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import NamedTuple

import sqlalchemy as sa

from data.contracts.decision import DecisionContent
from data.contracts.errors import ConflictError
from data.contracts.retention import RecordClass, RecordsKept, RetentionRule
from data.contracts.screening import WATCHLIST_RECORD, WatchlistScreening, WatchlistStatus
from data.settings import Settings
from flows.case import document_sha256
from flows.runtime.ledger import decisions, erasures, parties, restricted
from flows.runtime.ledger.database import Ledger, stamp
from tools.retention import Kept, Records, kept_until, load_retention, months_after

_IN_A_ROUND = 500
_NEVER_EARLIER = frozenset({RecordClass.WATCHLIST_MATCH})


class Retained(NamedTuple):
    """What a round of retention did, or would do."""

    erased: int
    records: tuple[RecordsKept, ...]


class _InForce(NamedTuple):
    """The rules of a day, with the lender's own longer time."""

    name: str
    rules: tuple[RetentionRule, ...]
    day: date

    @classmethod
    def of(cls, chosen: Settings) -> _InForce:
        file, day = load_retention(chosen.data_dir), datetime.now(UTC).date()
        months = chosen.personal_data_months
        rules = tuple(
            rule.model_copy(update={"months": max(rule.months, months)})
            if rule.record is RecordClass.APPLICATION
            else rule
            for rule in file.in_force(day)
        )
        return cls(f"{file.name}/{months}", rules, day)

    @property
    def shortest(self) -> int:
        """The months before which no application is due."""
        return min(rule.months for rule in self.rules)

    @property
    def earliest(self) -> str:
        """The moment since which every application is kept."""
        first = datetime.combine(_months_before(self.day, self.shortest), time(), UTC)
        return stamp(first)


async def retain(ledger: Ledger, chosen: Settings, *, dry_run: bool) -> Retained:
    """Erase the applications whose time is up, some in each round. 0 months keep all of them.

    With `dry_run` nothing changes, and what is returned is what would be erased.
    """
    law = _InForce.of(chosen)
    if not chosen.personal_data_months or not law.rules:
        return Retained(0, ())
    judged = await ledger.read(_judged, law)
    due = {name: kept for name, kept in judged.items() if kept.until <= law.day}
    later = {name: kept for name, kept in judged.items() if name not in due}
    kept = Counter(await ledger.read(erasures.kept_for, law.name))
    kept.update(found.rule.record.value for found in later.values())
    if not dry_run:
        for name, found in later.items():
            await ledger.write(_mark, name, found, law.name)
    erased = len(due) if dry_run else await _erase(ledger, due)
    if not dry_run:
        while await ledger.write(parties.forget_unfiled, law.earliest):
            pass
    deciding = Counter(found.rule.record for found in due.values())
    return Retained(erased, tuple(_told(rule, deciding, kept) for rule in law.rules))


def erase_on_request(connection: sa.Connection, application_id: str, chosen: Settings) -> str:
    """Erase one application before its time is up; when that was done.

    The screening of an applicant who resembled an entry of a watchlist stays as long as the law
    says: no request shortens that. The refusal names the day alone, as a match is for compliance.
    Raises RecordNotFoundError, and ConflictError for such an application, and while a run of it
    goes on or is under a legal hold.
    """
    ended = erasures.last_ended(connection, application_id)
    matches = [rule for rule in _InForce.of(chosen).rules if rule.record in _NEVER_EARLIER]
    kept = kept_until(matches, _records(connection, application_id, ended)) if ended else None
    if kept and kept.until > datetime.now(UTC).date():
        raise ConflictError(f"the law keeps this application until {kept.until}: erase it then")
    return erasures.erase(connection, application_id, document_sha256)


def _judged(connection: sa.Connection, law: _InForce) -> dict[str, Kept]:
    """Applications that the shortest rule keeps no longer, and how long the others keep them."""
    found = erasures.due(connection, law.earliest, _IN_A_ROUND, law.name)
    judged = {
        application_id: kept_until(law.rules, _records(connection, application_id, ended))
        for application_id, ended in found.items()
    }
    return {name: kept for name, kept in judged.items() if kept is not None}


def _records(connection: sa.Connection, application_id: str, ended: str) -> Records:
    screenings = restricted.of_application(connection, application_id, WATCHLIST_RECORD)
    found = map(WatchlistScreening.model_validate, screenings)
    return Records(
        last_run_ended=datetime.fromisoformat(ended).date(),
        loan_ends=_end_of_loan(connection, application_id),
        has_match=any(screening.status is not WatchlistStatus.CLEAR for screening in found),
    )


def _end_of_loan(connection: sa.Connection, application_id: str) -> date | None:
    """The last payment of the loan that was offered; None where none was."""
    decider = decisions.deciders(connection, [application_id]).get(application_id)
    if decider is None or not decider.run_id:
        return None
    entered = decisions.find(connection, decider.run_id)
    offer = DecisionContent.model_validate(entered["content"]).offer
    if offer is None:
        return None
    decided = datetime.fromisoformat(entered["decided_at"]).date()
    first = offer.first_payment_on or months_after(decided, 1)
    return months_after(first, offer.term_months - 1)


def _mark(connection: sa.Connection, application_id: str, kept: Kept, rules: str) -> None:
    until = stamp(datetime.combine(kept.until, time(), UTC))
    erasures.keep_until(connection, application_id, until, kept.rule.record.value, rules)


async def _erase(ledger: Ledger, application_ids: dict[str, Kept]) -> int:
    erased = 0
    for application_id in application_ids:
        with suppress(ConflictError):  # a run of it was resumed or held meanwhile
            await ledger.write(erasures.erase, application_id, document_sha256)
            erased += 1
    return erased


def _told(rule: RetentionRule, deciding: Counter[RecordClass], kept: Counter[str]) -> RecordsKept:
    return RecordsKept(
        record=rule.record,
        label=rule.label,
        months=rule.months,
        citation=rule.citation,
        due=deciding[rule.record],
        kept=kept[rule.record.value],
    )


def _months_before(day: date, months: int) -> date:
    """A day whose months after it have passed: at most three days before the latest one."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, 28))
