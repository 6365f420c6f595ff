"""Doubts about listed names that people have cleared, in a ledger."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import sqlalchemy as sa

from data.contracts.case import CaseFile
from data.contracts.review import Person
from data.contracts.screening import WATCHLIST_RECORD, WatchlistScreening
from flows.runtime.ledger import clearances
from tests.flows.inline import underwritten


async def screening_of(case: CaseFile) -> WatchlistScreening:
    alone = await underwritten(case)
    return WatchlistScreening.model_validate(alone.record.restricted[WATCHLIST_RECORD])


def propose_clearance(connection: sa.Connection, subjects: Collection[str]) -> None:
    about = [(subject, "synthetic-sanctions/SYN-0002") for subject in subjects]
    clearances.propose(connection, "run-1", about, Person(name="Una"), date.max)


def confirm_clearance(connection: sa.Connection, subjects: Collection[str]) -> None:
    propose_clearance(connection, subjects)
    (proposed,) = clearances.page(connection, limit=10)
    clearances.confirm(connection, proposed.clearance_id, Person(name="Otto"))
