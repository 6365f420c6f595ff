"""Housekeeping: the scheduled job that enforces deadlines and purges old data.

Every worker enforces deadlines too. The job repeats it for a desk whose workers are idle or gone.
Only the job purges what retention does not keep.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient

from data.contracts.base import Contract
from data.contracts.retention import RecordsKept
from data.settings import Settings, settings
from flows.portfolio import uploads
from flows.retention import retain
from flows.runtime.checkpoints.retention import (
    PurgeReport,
    RetentionPolicy,
    StorageAudit,
    audit_storage,
    purge,
)
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import model_answers
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.prefect_api import wake
from flows.runtime.worker.deadlines import enforce_deadlines


class HousekeepingReport(Contract):
    """What one round did. With `dry_run`, what it would do."""

    dry_run: bool
    reminded: int = 0
    escalated: int = 0
    expired: int = 0
    erased: int = 0
    """Applications whose personal data was erased, its time being up."""
    records: tuple[RecordsKept, ...] = ()
    """By class of records: how many are due, how many are kept for longer, and by which rule."""
    uploads: int = 0
    """Uploaded portfolios of failed or cancelled batches that were removed, their time being up."""
    model_answers: int = 0
    """Answers of chat models that serve no other run any more, and were removed."""
    storage: PurgeReport
    audit: StorageAudit | None = None
    """Index and storage compared after the round; only a thorough one does."""


@flow(name="housekeeping", flow_run_name="housekeeping", persist_result=False)
async def housekeeping(dry_run: bool = False, thorough: bool = False) -> dict[str, Any]:
    """Enforce deadlines, wake the runs concerned, and purge what retention does not keep."""
    chosen = settings()
    async with get_client() as client:
        report = await keep_house(
            shared_ledger(chosen.ledger),
            chosen,
            dry_run=dry_run,
            thorough=thorough,
            client=client,
        )
    return report.model_dump(mode="json")


async def keep_house(
    ledger: Ledger,
    chosen: Settings,
    *,
    dry_run: bool,
    thorough: bool = True,
    client: PrefectClient | None = None,
) -> HousekeepingReport:
    """Do one round.

    Without a client, the desk is not running, and the round only purges the storage. The desk
    could not wake a run whose deadline has passed. Its workers enforce deadlines when they start.

    Raises UnavailableError when the ledger or the storage is out of reach.
    """
    deadlines: dict[str, int] = {}
    if client is not None and not dry_run:
        deadlines = asdict(await enforce_deadlines(ledger, chosen))
        await wake.deliver_answers(client, ledger)
    store = CheckpointStore(chosen.checkpoint_storage)
    purged = await purge(
        ledger, store, RetentionPolicy.of(chosen), dry_run=dry_run, thorough=thorough
    )
    retained = await retain(ledger, chosen, dry_run=dry_run)
    return HousekeepingReport(
        dry_run=dry_run,
        erased=retained.erased,
        records=retained.records,
        uploads=await asyncio.to_thread(uploads.purge, ledger, chosen, dry_run=dry_run),
        model_answers=await _old_answers(ledger, chosen.chat_cache_days, dry_run=dry_run),
        storage=purged,
        audit=await audit_storage(ledger, store) if thorough else None,
        **deadlines,
    )


async def _old_answers(ledger: Ledger, days: int, *, dry_run: bool) -> int:
    """Remove the answers that are too old for other runs, or count them."""
    if dry_run:
        return await ledger.read(model_answers.count_old, days)
    return await ledger.write(model_answers.purge, days)
