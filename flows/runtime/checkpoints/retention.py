"""Retention: which checkpoints go, what stays of them, and whether index and storage agree.

Only runs that have ended lose anything, none under a legal hold does, and neither does what an
unfinished fork goes on from. The tombstone is written first: it keeps the digest, and a body
that outlives it is swept later like any body without an index row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.runs import Lineage, RunStatus
from data.settings import Settings
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import Ledger, now
from flows.runtime.ledger.tables import checkpoints
from flows.runtime.ledger.tables import runs as runs_table

CHECKPOINTS, ANSWERS = "checkpoints/", "answers/"
UNINDEXED_FOR = timedelta(hours=1)
"""How old a body without an index row must be: a younger one may be about to get its row."""

_ENDED = [status for status in RunStatus if status.has_ended]
_AT_ONCE = 100
"""How many tombstones one transaction writes: other writers wait for it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetentionPolicy:
    """What may go of runs that have ended; None sets no limit."""

    older_than: timedelta | None = None
    keep: int | None = None
    """The latest so many of each run stay, if they are not too old."""

    @classmethod
    def of(cls, settings: Settings) -> RetentionPolicy:
        days = settings.checkpoint_retention_days
        return cls(timedelta(days=days) if days else None, settings.checkpoint_keep or None)


class PurgeCandidate(Contract):
    """A checkpoint that the policy does not keep, and which of its limits says so."""

    run_id: str
    label: str
    version: int
    storage_key: str
    sha256: str
    bytes: int
    because: str
    """`age` or `count`."""

    @property
    def name(self) -> str:
        return f"{self.run_id}/{self.label}/{self.version}"


class StorageAudit(Contract):
    """Where index and storage disagree."""

    missing: tuple[str, ...] = ()
    """Keys that the index names and the storage does not have."""
    unindexed: tuple[str, ...] = ()
    """Keys that the storage has and the index does not name, or no longer."""
    listed: bool = True
    """Whether the storage could be listed; if not, nothing is said of it."""

    @property
    def agrees(self) -> bool:
        return self.listed and not self.missing and not self.unindexed


class PurgeReport(Contract):
    """What retention did, or would do."""

    purged: tuple[PurgeCandidate, ...] = ()
    kept: tuple[str, ...] = ()
    """Keys that should go and that the storage's block cannot delete."""
    swept: tuple[str, ...] = ()
    """Keys of bodies that belonged to nothing."""
    freed_bytes: int = 0
    """Of the purged checkpoints, before compression."""


def hold(connection: sa.Connection, run_id: str, *, held: bool) -> None:
    """Put a run under a legal hold, or release it. Raises RecordNotFoundError."""
    runs.find(connection, run_id)
    connection.execute(
        runs_table.update().where(runs_table.c.run_id == run_id).values(legal_hold=held)
    )


def plan(connection: sa.Connection, policy: RetentionPolicy) -> list[PurgeCandidate]:
    """Which checkpoints would go now, run by run, the oldest first."""
    if policy.older_than is None and policy.keep is None:
        return []
    newer = sa.func.row_number().over(
        partition_by=checkpoints.c.run_id, order_by=checkpoints.c.ordinal.desc()
    )
    ranked = (
        sa.select(checkpoints, newer.label("place"))
        .join(runs_table, runs_table.c.run_id == checkpoints.c.run_id)
        .where(_disposable(), checkpoints.c.purged_at.is_(None))
        .subquery()
    )
    too_old = ranked.c.saved_at < _before(policy.older_than) if policy.older_than else sa.false()
    too_many = ranked.c.place > policy.keep if policy.keep else sa.false()
    found = connection.execute(
        sa.select(ranked, sa.case((too_old, "age"), else_="count").label("because"))
        .where(sa.or_(too_old, too_many))
        .order_by(ranked.c.run_id, ranked.c.ordinal)
    )
    needed = _gone_on_from(connection)
    candidates = [
        PurgeCandidate.model_validate(
            {name: row._mapping[name] for name in PurgeCandidate.model_fields}
        )
        for row in found
    ]
    return [candidate for candidate in candidates if candidate.name not in needed]


async def purge(
    ledger: Ledger, store: CheckpointStore, policy: RetentionPolicy, *, dry_run: bool
) -> PurgeReport:
    """Purge what the policy does not keep and sweep what belongs to nothing.

    With `dry_run` nothing changes, and what is returned is what would go. Raises
    UnavailableError when ledger or storage is out of reach; what went before that is gone.
    """
    candidates = await ledger.read(plan, policy)
    stray = await _stray(ledger, store, policy)
    if not await store.can_delete():
        return _report((), [*(candidate.storage_key for candidate in candidates), *stray], ())
    if dry_run:
        return _report(candidates, (), stray)
    purged: list[PurgeCandidate] = []
    for start in range(0, len(candidates), _AT_ONCE):
        purged_now = await ledger.write(_write_tombstones, candidates[start : start + _AT_ONCE])
        for candidate in purged_now:
            await store.delete(candidate.storage_key)
        purged += purged_now
    swept = [key for key in stray if await store.delete(key)]
    log.info("purged %d checkpoints, swept %d bodies", len(purged), len(swept))
    return _report(purged, (), swept)


async def audit_storage(ledger: Ledger, store: CheckpointStore) -> StorageAudit:
    """Compare the index of checkpoints with what their storage has."""
    stored = await store.keys(CHECKPOINTS)
    if stored is None:
        return StorageAudit(listed=False)
    indexed = await ledger.read(_indexed)
    return StorageAudit(
        missing=tuple(sorted(indexed - stored.keys())),
        unindexed=tuple(sorted(stored.keys() - indexed)),
    )


def _report(
    candidates: Iterable[PurgeCandidate], kept: Iterable[str], swept: Iterable[str]
) -> PurgeReport:
    purged = tuple(candidates)
    return PurgeReport(
        purged=purged,
        kept=tuple(kept),
        swept=tuple(swept),
        freed_bytes=sum(candidate.bytes for candidate in purged),
    )


def _write_tombstones(
    connection: sa.Connection, candidates: Iterable[PurgeCandidate]
) -> list[PurgeCandidate]:
    """Write the tombstones, unless a hold, a fork or a new life of the run came in between."""
    needed = _gone_on_from(connection)
    still = sa.exists().where(runs_table.c.run_id == checkpoints.c.run_id, _disposable())
    tombstone = checkpoints.update().where(checkpoints.c.purged_at.is_(None), still)

    def entomb(candidate: PurgeCandidate) -> bool:
        this = sa.and_(
            checkpoints.c.run_id == candidate.run_id,
            checkpoints.c.label == candidate.label,
            checkpoints.c.version == candidate.version,
            checkpoints.c.storage_key == candidate.storage_key,
        )
        return bool(connection.execute(tombstone.where(this).values(purged_at=now())).rowcount)

    return [
        candidate for candidate in candidates if candidate.name not in needed and entomb(candidate)
    ]


def _disposable() -> sa.ColumnElement[bool]:
    return runs_table.c.status.in_(_ENDED) & runs_table.c.legal_hold.is_(sa.false())


def _gone_on_from(connection: sa.Connection) -> set[str]:
    """The checkpoints from which forks that have not ended were made."""
    alive = sa.select(runs_table.c.lineage).where(runs_table.c.status.in_(runs.LIVE))
    lineages = [
        Lineage.model_validate(told) for told in connection.execute(alive).scalars() if told
    ]
    return {f"{lineage.parent_run_id}/{lineage.forked_at}" for lineage in lineages}


async def _stray(ledger: Ledger, store: CheckpointStore, policy: RetentionPolicy) -> list[str]:
    """Bodies that no index row names, and agents' answers that no execution will ask for again."""
    bodies = await store.keys(CHECKPOINTS) or {}
    indexed = await ledger.read(_indexed)
    oldest = datetime.now(UTC) - UNINDEXED_FOR
    purged, held = await ledger.read(_purged_keys), await ledger.read(_held_runs)
    lost = [
        key
        for key, since in bodies.items()
        if key not in indexed and (since < oldest or key in purged) and _run_of(key) not in held
    ]
    if policy.older_than is None:
        return sorted(lost)
    answers = await store.keys(ANSWERS) or {}
    disposable = await ledger.read(_disposable_runs)
    oldest = datetime.now(UTC) - policy.older_than
    over = [key for key, since in answers.items() if since < oldest and _run_of(key) in disposable]
    return sorted([*lost, *over])


def _indexed(connection: sa.Connection) -> set[str]:
    there = sa.select(checkpoints.c.storage_key).where(checkpoints.c.purged_at.is_(None))
    return set(connection.execute(there).scalars())


def _purged_keys(connection: sa.Connection) -> set[str]:
    gone = sa.select(checkpoints.c.storage_key).where(checkpoints.c.purged_at.is_not(None))
    return set(connection.execute(gone).scalars())


def _disposable_runs(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(runs_table.c.run_id).where(_disposable())).scalars())


def _held_runs(connection: sa.Connection) -> set[str]:
    held = sa.select(runs_table.c.run_id).where(runs_table.c.legal_hold.is_(sa.true()))
    return set(connection.execute(held).scalars())


def _run_of(key: str) -> str:
    """Checkpoints and answers lie under their run: `<kind>/<run_id>/…`."""
    return key.split("/")[1]


def _before(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
