"""Finished chunks of a batch: each is written once, whole, by the first process that has it.

One transaction writes the chunk's row, the claims of its decisions and the cases that it refers to
people. The row is the marker: a second process that comes with the same chunk writes nothing. A
decision itself lies with its chunk, compressed together with its neighbours; what is unique per
application is the claim in the table of decisions.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from data.contracts.batch import LineStatus
from data.contracts.errors import ConflictError
from data.contracts.runs import RunStatus
from data.metrics import DECISIONS
from flows.runtime.ledger import canaries, figures, letters, parties, runs
from flows.runtime.ledger.canaries import CaseRow
from flows.runtime.ledger.database import insert_or_ignore, now
from flows.runtime.ledger.decisions import Decider, deciders
from flows.runtime.ledger.figures import Observation
from flows.runtime.ledger.letters import Letter
from flows.runtime.ledger.parties import Party
from flows.runtime.ledger.referrals import Referral
from flows.runtime.ledger.runs import RunRef
from flows.runtime.ledger.tables import applications, batch_chunks, batch_referrals, decisions

_NAMESPACE = UUID("7b1f0a34-0d5e-4f0b-9a7e-3f8f7b0c2d11")
_FAILED = LineStatus.FAILED.value


@dataclass(frozen=True)
class Claim:
    """That this batch has decided an application."""

    application_id: str
    decision_id: str
    inputs_sha256: str
    content_sha256: str


@dataclass(frozen=True)
class FinishedChunk:
    """All results of a chunk."""

    number: int
    rows: int
    lines: Sequence[bytes]
    """One JSON document for each accepted application, in the order of the file."""
    rejects: Sequence[bytes]
    restricted: Sequence[bytes]
    """Documents about decided applications that not every reader of the lines may see."""
    totals: dict[str, Any]
    claims: Sequence[Claim]
    referrals: Sequence[Referral]
    chain: str
    decided_at: str
    letters: Mapping[str, Sequence[Letter]] = field(default_factory=dict)
    """The letters of each decision, by its id."""
    canary_cases: Sequence[CaseRow] = ()
    """The rows of this chunk that a canary has measured."""
    people: Sequence[Party] = ()
    """The people of the applications that this chunk has decided or referred."""

    @cached_property
    def bodies(self) -> dict[str, bytes]:
        """The compressed documents, by their column."""
        documents = {"lines": self.lines, "rejects": self.rejects, "restricted": self.restricted}
        return {name: _packed(found) for name, found in documents.items()}

    def encoded(self) -> Self:
        """This chunk, encoded now: other chunks wait for the transaction that writes it."""
        _ = self.bodies
        _ = [letter.encoded for written in self.letters.values() for letter in written]
        _ = [(referral.body, referral.filed) for referral in self.referrals]
        return self


@dataclass(frozen=True)
class Known:
    """What the ledger knows of some applications before a batch comes to them."""

    deciders: dict[str, Decider]
    runs: dict[str, RunRef]
    """Their own runs; not forks."""
    filed: dict[str, str]
    """The digests of those that are in the vault."""

    def is_open(self, application_id: str) -> bool:
        """Whether no run and no batch has decided an application, or is about to."""
        run = self.runs.get(application_id)
        has_given_up = run is None or run.status in {RunStatus.FAILED, RunStatus.CANCELLED}
        return has_given_up and application_id not in self.deciders


def decision_id_of(batch_id: str, application_id: str) -> str:
    """The id of a batch's decision on an application."""
    return str(uuid5(_NAMESPACE, f"{batch_id}:{application_id}"))


def known(connection: sa.Connection, application_ids: Collection[str]) -> Known:
    """What the ledger knows of these applications."""
    vault = sa.select(applications.c.application_id, applications.c.content_sha256)
    filed = connection.execute(vault.where(applications.c.application_id.in_(application_ids)))
    return Known(
        deciders(connection, application_ids),
        runs.own_runs(connection, application_ids),
        {row.application_id: row.content_sha256 for row in filed},
    )


def finished(connection: sa.Connection, batch_id: str) -> set[int]:
    """The numbers of the chunks that are finished."""
    query = sa.select(batch_chunks.c.number).where(batch_chunks.c.batch_id == batch_id)
    return set(connection.execute(query).scalars())


def is_finished(connection: sa.Connection, batch_id: str, number: int) -> bool:
    """Whether a chunk is finished."""
    query = sa.select(batch_chunks.c.number).where(_is(batch_id, number))
    return connection.execute(query).first() is not None


def rows_done(connection: sa.Connection, batch_id: str) -> int:
    """How many rows lie in finished chunks."""
    total = sa.func.coalesce(sa.func.sum(batch_chunks.c.rows), 0)
    query = sa.select(total).where(batch_chunks.c.batch_id == batch_id)
    return int(connection.execute(query).scalar_one())


def finish(connection: sa.Connection, batch_id: str, chunk: FinishedChunk) -> bool:
    """Write a chunk in the caller's transaction; False when another process has finished it.

    Raises ConflictError when an application was decided or filed by another way since the chunk
    looked: the transaction ends, and the chunk has to look again.
    """
    is_ours = insert_or_ignore(
        connection,
        batch_chunks,
        {
            "batch_id": batch_id,
            "number": chunk.number,
            "rows": chunk.rows,
            **chunk.bodies,
            "totals": chunk.totals,
            "chain": chunk.chain,
            "written_at": now(),
        },
    )
    if not is_ours:
        return False
    _claim(connection, batch_id, chunk)
    letters.keep(connection, chunk.letters)
    _refer(connection, batch_id, chunk)
    parties.enter(connection, chunk.people)
    canaries.enter(connection, chunk.canary_cases)
    outcomes = chunk.totals.get("outcomes", {}).items()
    figures.observe(
        connection, [Observation(DECISIONS, (name,), count) for name, count in outcomes]
    )
    return True


def _claim(connection: sa.Connection, batch_id: str, chunk: FinishedChunk) -> None:
    # In one order everywhere: two batches that meet would otherwise wait for each other.
    rows = [
        {
            "decision_id": claim.decision_id,
            "application_id": claim.application_id,
            "batch_id": batch_id,
            "chunk": chunk.number,
            "inputs_sha256": claim.inputs_sha256,
            "content_sha256": claim.content_sha256,
            "decided_at": chunk.decided_at,
        }
        for claim in sorted(chunk.claims, key=lambda claim: claim.application_id)
    ]
    _insert_all(connection, decisions, rows, "was decided")


def _refer(connection: sa.Connection, batch_id: str, chunk: FinishedChunk) -> None:
    referred = sorted(chunk.referrals, key=lambda referral: referral.application_id)
    unfiled = [
        {
            "application_id": referral.application_id,
            "content_sha256": referral.inputs_sha256,
            "body": referral.filed,
            "received_at": chunk.decided_at,
        }
        for referral in referred
        if not referral.is_filed
    ]
    _insert_all(connection, applications, unfiled, "was filed")
    if referred:
        connection.execute(
            batch_referrals.insert(),
            [referral.as_row(batch_id, chunk.number) for referral in referred],
        )


def _insert_all(
    connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], what: str
) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table).on_conflict_do_nothing().returning(table.c.application_id)
    if len(connection.execute(insert, rows).all()) != len(rows):
        raise ConflictError(f"an application of the chunk {what} by another way meanwhile")


# -- reading ---------------------------------------------------------------------------------------


def numbers(connection: sa.Connection, batch_id: str) -> list[int]:
    """The finished chunks in the order of the file."""
    return sorted(finished(connection, batch_id))


def lines(connection: sa.Connection, batch_id: str, number: int) -> list[bytes]:
    """The lines of a finished chunk, as it wrote them."""
    return _read(connection, batch_chunks.c.lines, batch_id, number)


def rejects(connection: sa.Connection, batch_id: str, number: int) -> list[bytes]:
    """The rejects of a finished chunk."""
    return _read(connection, batch_chunks.c.rejects, batch_id, number)


def restricted(connection: sa.Connection, batch_id: str, number: int) -> list[bytes]:
    """The restricted documents of a finished chunk; none of one that was written before they
    were kept."""
    return _read(connection, batch_chunks.c.restricted, batch_id, number)


def written_between(connection: sa.Connection, since: str, until: str) -> Iterator[tuple[str, int]]:
    """Batch and number of every chunk that was written in a period."""
    query = sa.select(batch_chunks.c.batch_id, batch_chunks.c.number)
    in_period = (batch_chunks.c.written_at >= since) & (batch_chunks.c.written_at < until)
    found = connection.execute(query.where(in_period).order_by(batch_chunks.c.written_at))
    yield from ((row.batch_id, row.number) for row in found.all())


def written_at(connection: sa.Connection, batch_id: str, number: int) -> str:
    """When a finished chunk was written."""
    query = sa.select(batch_chunks.c.written_at).where(_is(batch_id, number))
    return str(connection.execute(query).scalar_one())


def failures(connection: sa.Connection, batch_id: str, number: int) -> list[dict[str, Any]]:
    """The lines of a finished chunk about applications that ended in an error of the desk."""
    query = sa.select(batch_chunks.c.totals).where(_is(batch_id, number))
    counted = connection.execute(query).scalar_one()
    if not counted.get("statuses", {}).get(_FAILED):
        return []  # nearly always: the lines need not be unpacked
    parsed = (json.loads(line) for line in lines(connection, batch_id, number))
    return [line for line in parsed if line["status"] == _FAILED]


def _read(
    connection: sa.Connection, column: sa.Column[Any], batch_id: str, number: int
) -> list[bytes]:
    query = sa.select(column).where(_is(batch_id, number))
    body: bytes | None = connection.execute(query).scalar_one()
    return zlib.decompress(body).splitlines() if body else []


def totals(connection: sa.Connection, batch_id: str) -> list[dict[str, Any]]:
    """The totals of each finished chunk."""
    query = sa.select(batch_chunks.c.totals).where(batch_chunks.c.batch_id == batch_id)
    return list(connection.execute(query.order_by(batch_chunks.c.number)).scalars())


def chain_of(connection: sa.Connection, batch_id: str) -> str:
    """The digest of the chains of all finished chunks in their order."""
    query = sa.select(batch_chunks.c.chain).where(batch_chunks.c.batch_id == batch_id)
    found = connection.execute(query.order_by(batch_chunks.c.number)).scalars()
    return hashlib.sha256("".join(found).encode()).hexdigest()


def _is(batch_id: str, number: int) -> sa.ColumnElement[bool]:
    return (batch_chunks.c.batch_id == batch_id) & (batch_chunks.c.number == number)


def _packed(documents: Sequence[bytes]) -> bytes:
    """JSON documents as one compressed body, a line each."""
    return zlib.compress(b"\n".join(documents), level=1)
