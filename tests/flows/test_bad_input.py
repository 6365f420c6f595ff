"""Bad input and the due answer: the rows of the table that the desk is held to, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.app import create_app
from data.settings import Settings, settings
from flows.runtime.ledger.database import Ledger
from flows.service.desk import DeskService
from tests.api.desks import client_of
from tests.flows.bad_input import evidence, gates, rules_and_files, submissions
from tests.flows.bad_input.place import Attempt, Place
from tests.flows.waiting_desk import desk_on

TABLE: Mapping[str, Mapping[str, Attempt]] = {
    "body": submissions.BODY,
    "fields": submissions.FIELDS,
    "amount and term": submissions.TERMS,
    "date of birth": submissions.BIRTHS,
    "dates": submissions.DATES,
    "SSN": submissions.SSNS,
    "residence": evidence.RESIDENCE,
    "consent": submissions.CONSENT,
    "income other than wages": evidence.INCOMES,
    "monthly income looks annual": evidence.ANNUAL,
    "name": submissions.NAMES_SUBMITTED | evidence.NAMES_ACCEPTED,
    "co-applicant": submissions.CO_APPLICANTS,
    "document": submissions.DOCUMENTS | rules_and_files.PATHS,
    "paystub": evidence.PAYSTUBS,
    "bank statement": evidence.STATEMENTS,
    "bureau": evidence.BUREAUS,
    "bureau trade": evidence.TRADES,
    "model": rules_and_files.MODELS,
    "watchlist": rules_and_files.LISTS,
    "policy pack": rules_and_files.POLICIES,
    "answer at a gate": gates.ANSWERS,
    "resume": gates.RESUMPTIONS,
    "same application": gates.DUPLICATES,
    "CSV": rules_and_files.TABLES,
    "document that instructs the desk": rules_and_files.TEXTS,
}


@pytest.fixture
async def place(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    desk = desk_on(ledger)

    @asynccontextmanager
    async def open_desk(_settings: Settings) -> AsyncIterator[DeskService]:
        yield desk

    async with client_of(create_app(settings(), open_desk)) as client:
        yield Place(client, desk, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(attempt, id=f"{row}: {variant}")
        for row, attempts in TABLE.items()
        for variant, attempt in attempts.items()
    ],
)
async def test_bad_input_gets_its_due_answer(attempt: Attempt, place: Place) -> None:
    await attempt(place)


def test_no_variant_of_a_row_hides_another_of_the_same_name() -> None:
    for first, second in (
        (submissions.NAMES_SUBMITTED, evidence.NAMES_ACCEPTED),
        (submissions.DOCUMENTS, rules_and_files.PATHS),
    ):
        assert not first.keys() & second.keys()
