"""Finished chunks: written once, whole, and against no other decision; referred cases in order."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import ConflictError
from data.contracts.runs import RunStatus
from data.metrics import DECISIONS
from flows.runtime.ledger import (
    applications,
    chunks,
    decisions,
    figures,
    referrals,
    runs,
    tables,
)
from flows.runtime.ledger.chunks import Claim, FinishedChunk
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.referrals import Referral

AT = "2026-11-22T08:23:14.123000Z"


def chunk(*decided: str, number: int = 0, referred: tuple[str, ...] = ()) -> FinishedChunk:
    """A chunk that decides some applications and refers others."""
    names = [*decided, *referred]
    return FinishedChunk(
        number=number,
        rows=len(names),
        lines=[json.dumps({"id": name}, separators=(",", ":")).encode() for name in names],
        rejects=[],
        restricted=[json.dumps({"application_id": name}).encode() for name in decided],
        totals={"rows": len(names), "outcomes": {"approve": len(decided)}},
        claims=[Claim(name, f"{number}-{name}", "a" * 64, "b" * 64) for name in decided],
        referrals=[
            Referral(
                line=100 * number + place,
                application_id=name,
                inputs_sha256="a" * 64,
                application=b"{}",
                is_filed=False,
                checkpoint={"label": "policy"},
                restricted={"list": {"found": 1}},
            )
            for place, name in enumerate(referred, start=1)
        ],
        chain=f"{number}" * 64,
        decided_at=AT,
    )


async def test_a_chunk_is_written_once(any_ledger: Ledger) -> None:
    first = await any_ledger.write(chunks.finish, "batch-1", chunk("one"))
    second = await any_ledger.write(chunks.finish, "batch-1", chunk("two"))

    assert (first, second) == (True, False)
    assert await any_ledger.read(chunks.lines, "batch-1", 0) == [b'{"id":"one"}']
    kept = await any_ledger.read(chunks.restricted, "batch-1", 0)
    assert kept == [b'{"application_id": "one"}']
    decided = await any_ledger.read(decisions.deciders, ["one", "two"])
    assert {name: decider.name for name, decider in decided.items()} == {"one": "batch batch-1"}


async def test_the_decisions_of_a_chunk_are_counted_with_it_and_once(any_ledger: Ledger) -> None:
    for _ in range(2):
        await any_ledger.write(chunks.finish, "batch-1", chunk("one", "two"))

    counted = await any_ledger.read(figures.totals)
    assert [(total.labels, total.total) for total in counted if total.metric == DECISIONS.name] == [
        (("approve",), 2)
    ]


@pytest.mark.parametrize("met", ["decision", "application"])
async def test_a_chunk_that_meets_another_way_in_writes_nothing(
    any_ledger: Ledger, met: str
) -> None:
    def other_way(connection: sa.Connection) -> None:
        if met == "decision":
            chunks.finish(connection, "batch-1", chunk("shared"))
        else:
            applications.accept(connection, "shared", "c" * 64, b"{}")

    await any_ledger.write(other_way)
    later = chunk("shared", "own") if met == "decision" else chunk("own", referred=("shared",))

    with pytest.raises(ConflictError):
        await any_ledger.write(chunks.finish, "batch-2", later)

    assert await any_ledger.read(chunks.finished, "batch-2") == set()
    assert not await any_ledger.read(decisions.is_decided, "own")
    assert await any_ledger.read(referrals.pending, "batch-2", 10) == []


async def test_a_large_chunk_is_claimed_whole(any_ledger: Ledger) -> None:
    names = tuple(f"application-{number}" for number in range(3000))

    await any_ledger.write(chunks.finish, "batch-1", chunk(*names[:1500], referred=names[1500:]))

    def count(connection: sa.Connection) -> tuple[Any, ...]:
        tables_ = (tables.decisions, tables.applications, tables.batch_referrals)
        return tuple(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in tables_
        )

    assert await any_ledger.read(count) == (1500, 1500, 1500)


async def test_referred_cases_wait_in_the_order_of_the_file(any_ledger: Ledger) -> None:
    await any_ledger.write(chunks.finish, "batch-1", chunk(number=2, referred=("c", "d")))
    await any_ledger.write(chunks.finish, "batch-1", chunk(number=1, referred=("a", "b")))

    waiting = await any_ledger.read(referrals.pending, "batch-1", 3)

    assert [referral.application_id for referral in waiting] == ["a", "b", "c"]
    assert waiting[0].checkpoint == {"label": "policy"}
    assert waiting[0].restricted == {"list": {"found": 1}}


async def test_a_referral_is_opened_once_and_ends_with_its_run(any_ledger: Ledger) -> None:
    await any_ledger.write(chunks.finish, "batch-1", chunk(referred=("a",)))
    (referral,) = await any_ledger.read(referrals.pending, "batch-1", 10)

    first = await any_ledger.write(referrals.mark_open, referral, referral.run_id)
    second = await any_ledger.write(referrals.mark_open, referral, "another-run")

    assert (first, second) == (True, False)
    assert await any_ledger.read(referrals.count_open) == 1
    assert await any_ledger.read(referrals.run_ids, "batch-1") == {1: referral.run_id}

    def end(connection: sa.Connection, status: RunStatus) -> None:
        runs.register(connection, referral.run_id, "o", application_id="a", status=status)
        referrals.settle(connection, "batch-1")

    await any_ledger.write(end, RunStatus.COMPLETED)
    assert await any_ledger.read(referrals.counts, "batch-1") == {"ended": 1}
    assert await any_ledger.read(referrals.count_open) == 0


class Ruling(Contract):
    outcome: str


async def test_the_outcomes_of_referred_cases_are_counted_for_their_batch_alone(
    any_ledger: Ledger,
) -> None:
    ruled = {"a": "approve", "b": "decline", "c": "approve", "elsewhere": "decline"}

    def rule(connection: sa.Connection) -> None:
        chunks.finish(connection, "batch-1", chunk(referred=("a", "b", "c", "open")))
        chunks.finish(connection, "batch-2", chunk(number=1, referred=("elsewhere",)))
        opened = [
            referral
            for batch_id in ("batch-1", "batch-2")
            for referral in referrals.pending(connection, batch_id, 10)
        ]
        for referral in opened:
            application_id, run_id = referral.application_id, referral.run_id
            referrals.mark_open(connection, referral, run_id)
            runs.register(connection, run_id, run_id, application_id=application_id)
            if application_id in ruled:
                decisions.enter(connection, run_id, Ruling(outcome=ruled[application_id]))

    await any_ledger.write(rule)

    counted = await any_ledger.read(referrals.outcomes, "batch-1")
    assert counted == {"approve": 2, "decline": 1}
    assert await any_ledger.read(referrals.outcomes, "batch-3") == {}


async def test_what_is_known_of_applications_names_deciders_runs_and_the_vault(
    any_ledger: Ledger,
) -> None:
    def fill(connection: sa.Connection) -> None:
        chunks.finish(connection, "batch-1", chunk("decided", referred=("referred",)))
        runs.register(connection, "run-1", "application:own", application_id="own")
        runs.register(connection, "run-2", "fork:run-1:x", application_id="forked")

    await any_ledger.write(fill)

    found = await any_ledger.read(chunks.known, ["decided", "referred", "own", "forked", "new"])

    assert {name: decider.batch_id for name, decider in found.deciders.items()} == {
        "decided": "batch-1"
    }
    assert {name: run.run_id for name, run in found.runs.items()} == {"own": "run-1"}
    assert found.filed == {"referred": "a" * 64}
