"""Cases that a batch refers to people: each becomes a run of its own that starts at its gate.

A referral is written with its chunk. It waits here, in the order of the file, until its run is
opened; the number of open ones is bounded, so that reviewers see a list that they can work off.
Its run's id follows from batch and application, so that it is opened once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from data.contracts.runs import RunStatus
from flows.runtime.ledger.tables import UNSETTLED, batch_referrals, decisions, runs

_NAMESPACE = UUID("9d2f9d5f-92a5-4a4b-8b61-26a0a5a9f0a7")

PENDING, OPEN, ENDED = "pending", "open", "ended"


@dataclass(frozen=True)
class Referral:
    """A case about which people have to be asked, with what its run begins with."""

    line: int
    application_id: str
    inputs_sha256: str
    application: bytes
    """What goes into the vault."""
    is_filed: bool
    """Whether it lies in the vault already."""
    checkpoint: dict[str, Any]
    restricted: dict[str, dict[str, Any]]
    """Documents of the run that not every reader may see."""

    @cached_property
    def body(self) -> bytes:
        """What the run begins with, as it is stored."""
        parts = json.dumps([self.checkpoint, self.restricted], separators=(",", ":"))
        return zlib.compress(parts.encode())

    @cached_property
    def filed(self) -> bytes:
        """The application as it is stored in the vault."""
        return zlib.compress(self.application)

    def as_row(self, batch_id: str, chunk: int) -> dict[str, Any]:
        """The row of a pending referral."""
        return {
            "batch_id": batch_id,
            "line": self.line,
            "chunk": chunk,
            "application_id": self.application_id,
            "run_id": "",
            "status": PENDING,
            "body": self.body,
        }


@dataclass(frozen=True)
class PendingReferral:
    """A referral that waits for its run."""

    batch_id: str
    line: int
    application_id: str
    checkpoint: dict[str, Any]
    restricted: dict[str, dict[str, Any]]

    @property
    def run_id(self) -> str:
        """The id of the run that it will become."""
        return run_id_of(self.batch_id, self.application_id)


def run_id_of(batch_id: str, application_id: str) -> str:
    """The id of the run that a referred case of a batch becomes."""
    return str(uuid5(_NAMESPACE, f"{batch_id}:{application_id}"))


def count_open(connection: sa.Connection) -> int:
    """How many referred cases of all batches people are asked about now."""
    query = sa.select(sa.func.count()).select_from(batch_referrals)
    return int(connection.execute(query.where(UNSETTLED, _is(OPEN))).scalar_one())


def pending(connection: sa.Connection, batch_id: str, limit: int) -> list[PendingReferral]:
    """The next referrals of a batch that wait for their run, in the order of the file."""
    query = (
        sa.select(batch_referrals)
        .where(UNSETTLED, _is(PENDING), batch_referrals.c.batch_id == batch_id)
        .order_by(batch_referrals.c.line)
        .limit(limit)
    )
    return [
        PendingReferral(
            row.batch_id, row.line, row.application_id, *json.loads(zlib.decompress(row.body))
        )
        for row in connection.execute(query)
    ]


def mark_open(connection: sa.Connection, referral: PendingReferral, run_id: str) -> bool:
    """Note that people are asked in this run; False when another process was first."""
    this = (batch_referrals.c.batch_id == referral.batch_id) & (
        batch_referrals.c.line == referral.line
    )
    opened = connection.execute(
        batch_referrals.update()
        .where(this, _is(PENDING))
        .values(status=OPEN, run_id=run_id, body=b"")
    )
    return bool(opened.rowcount)


def is_one_over(connection: sa.Connection, batch_id: str) -> bool:
    """Whether the run of an open referral has ended, or none is left unsettled: worth a write."""
    of_batch = sa.select(batch_referrals.c.line).where(
        UNSETTLED, batch_referrals.c.batch_id == batch_id
    )
    over = of_batch.where(_is(OPEN), _has_ended()).limit(1)
    return (
        connection.execute(over).first() is not None
        or connection.execute(of_batch.limit(1)).first() is None
    )


def settle(connection: sa.Connection, batch_id: str) -> None:
    """Note which open referrals of a batch have ended with their runs."""
    connection.execute(
        batch_referrals.update()
        .where(UNSETTLED, _is(OPEN), batch_referrals.c.batch_id == batch_id, _has_ended())
        .values(status=ENDED)
    )


def counts(connection: sa.Connection, batch_id: str) -> dict[str, int]:
    """How many referrals of a batch are pending, open and ended."""
    query = sa.select(batch_referrals.c.status, sa.func.count()).where(
        batch_referrals.c.batch_id == batch_id
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(batch_referrals.c.status))}


def outcomes(connection: sa.Connection, batch_id: str) -> dict[str, int]:
    """What people have decided on the referrals of a batch: how often each outcome."""
    outcome = decisions.c.body["outcome"].as_string().label("outcome")
    decided = (
        sa.select(outcome)
        .join_from(batch_referrals, decisions, decisions.c.run_id == batch_referrals.c.run_id)
        .where(batch_referrals.c.batch_id == batch_id)
        .subquery()  # PostgreSQL groups by a column, and not by an expression with a parameter
    )
    query = sa.select(decided.c.outcome, sa.func.count()).group_by(decided.c.outcome)
    return {row[0]: row[1] for row in connection.execute(query)}


def run_ids(connection: sa.Connection, batch_id: str, chunk: int | None = None) -> dict[int, str]:
    """The runs that referrals of a batch became, by line; of one chunk, or of all."""
    query = sa.select(batch_referrals.c.line, batch_referrals.c.run_id).where(
        batch_referrals.c.batch_id == batch_id, batch_referrals.c.run_id != ""
    )
    if chunk is not None:
        query = query.where(batch_referrals.c.chunk == chunk)
    return {row.line: row.run_id for row in connection.execute(query)}


def batches_of_runs(connection: sa.Connection, of: Collection[str]) -> dict[str, str]:
    """The batches that these runs were opened for, by run."""
    query = sa.select(batch_referrals.c.run_id, batch_referrals.c.batch_id)
    found = connection.execute(query.where(batch_referrals.c.run_id.in_(of)))
    return {row.run_id: row.batch_id for row in found}


def is_pending(application_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an application waits for its run: a condition for other queries."""
    return sa.exists().where(
        batch_referrals.c.application_id == application_id, UNSETTLED, _is(PENDING)
    )


def _has_ended() -> sa.ColumnElement[bool]:
    return sa.exists().where(
        runs.c.run_id == batch_referrals.c.run_id,
        runs.c.status.in_([status for status in RunStatus if status.has_ended]),
    )


def _is(status: str) -> sa.ColumnElement[bool]:
    return batch_referrals.c.status == status
