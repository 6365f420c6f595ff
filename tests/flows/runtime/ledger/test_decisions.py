"""Decisions: one for each application, by one run, however often it is entered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import AlreadyDecidedError, RecordNotFoundError
from flows.runtime.ledger import decisions, letters, runs, tables
from flows.runtime.ledger.database import Ledger


class Letter(Contract):
    granted: bool


def two_runs(connection: sa.Connection) -> None:
    """Of one application: a run, and a fork of it."""
    for run_id, origin in [("run-1", "application:leave-1"), ("fork-1", "fork:1")]:
        runs.register(connection, run_id, origin, application_id="leave-1", status="running")


async def test_the_first_decision_of_a_run_stands(any_ledger: Ledger) -> None:
    await any_ledger.write(two_runs)

    await any_ledger.write(decisions.enter, "run-1", Letter(granted=True))
    await any_ledger.write(decisions.enter, "run-1", Letter(granted=False))

    found = await any_ledger.read(decisions.find, "run-1")
    assert found["content"] == {"granted": True}


def sent(*words: str) -> list[letters.Letter]:
    return [
        letters.Letter(f"reader-{place}", "answer", "2026-12-02", {"text": text})
        for place, text in enumerate(words, 1)
    ]


async def test_letters_are_written_with_their_decision_and_stay_as_they_were_sent(
    any_ledger: Ledger,
) -> None:
    await any_ledger.write(two_runs)

    await any_ledger.write(
        decisions.enter, "run-1", Letter(granted=True), sent("Dear Ada", "Dear Bo")
    )
    await any_ledger.write(decisions.enter, "run-1", Letter(granted=True), sent("Dear Zoe"))

    decision_id = (await any_ledger.read(decisions.find, "run-1"))["decision_id"]
    found = await any_ledger.read(letters.of_decision, decision_id)
    assert [(letter.recipient, letter.body["text"]) for letter in found] == [
        ("reader-1", "Dear Ada"),
        ("reader-2", "Dear Bo"),
    ]
    assert [letter.sha256 for letter in found] == [
        sha256_of({"text": text}) for text in ("Dear Ada", "Dear Bo")
    ]
    listed = await any_ledger.read(letters.listed, decision_id)
    assert [entry["due_by"] for entry in listed] == ["2026-12-02"] * 2
    assert all(entry["sent_at"] for entry in listed)


async def test_a_decision_that_is_refused_sends_no_letter(any_ledger: Ledger) -> None:
    await any_ledger.write(two_runs)
    await any_ledger.write(decisions.enter, "fork-1", Letter(granted=True), sent("Dear Ada"))

    with pytest.raises(AlreadyDecidedError):
        await any_ledger.write(decisions.enter, "run-1", Letter(granted=False), sent("Dear Bo"))

    count = sa.select(sa.func.count()).select_from(tables.letters)
    assert await any_ledger.read(lambda connection: connection.execute(count).scalar_one()) == 1


async def test_what_another_run_has_decided_is_not_decided_again(any_ledger: Ledger) -> None:
    await any_ledger.write(two_runs)
    await any_ledger.write(decisions.enter, "fork-1", Letter(granted=True))

    with pytest.raises(AlreadyDecidedError, match="decided by run fork-1"):
        await any_ledger.write(decisions.enter, "run-1", Letter(granted=False))

    with pytest.raises(RecordNotFoundError):
        await any_ledger.read(decisions.find, "run-1")
    assert await any_ledger.read(decisions.is_decided, "leave-1")


async def test_parts_of_the_contents_of_a_period_are_read_without_the_rest(
    any_ledger: Ledger,
) -> None:
    class Answers(Contract):
        granted: bool
        by: tuple[str, ...]
        memo: str

    await any_ledger.write(two_runs)
    content = Answers(granted=True, by=("a", "b"), memo="long")
    await any_ledger.write(decisions.enter, "run-1", content)
    now = datetime.now(UTC)

    def of(since: datetime, until: datetime) -> Any:
        return any_ledger.read(lambda c: list(decisions.parts(c, ("by", "granted"), since, until)))

    day = timedelta(days=1)
    assert await of(now - day, now + day) == [("run-1", {"by": ["a", "b"], "granted": True})]
    assert await of(now + day, now + 2 * day) == []


async def test_only_the_run_that_decided_may_go_on(any_ledger: Ledger) -> None:
    await any_ledger.write(two_runs)
    run = await any_ledger.read(runs.find, "run-1")
    fork = await any_ledger.read(runs.find, "fork-1")
    await any_ledger.read(decisions.require_undecided, run)

    await any_ledger.write(decisions.enter, "fork-1", Letter(granted=True))

    await any_ledger.read(decisions.require_undecided, fork)
    with pytest.raises(AlreadyDecidedError):
        await any_ledger.read(decisions.require_undecided, run)
