"""Housekeeping: what the clock asks of the desk, whether or not anybody is there.

Deadlines are enforced by every worker too; here they are once more, for a desk whose workers
are idle or gone. Retention is done nowhere else.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient

from data.contracts.base import Contract
from data.settings import Settings, settings
from flows.runtime.checkpoints.retention import (
    PurgeReport,
    RetentionPolicy,
    StorageAudit,
    audit_storage,
    purge,
)
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger.database import Ledger, shared_ledger
from flows.runtime.prefect_api import wake
from flows.runtime.worker.deadlines import enforce_deadlines


class HousekeepingReport(Contract):
    """What was done, or with `dry_run` what would be."""

    dry_run: bool
    reminded: int = 0
    escalated: int = 0
    expired: int = 0
    storage: PurgeReport
    audit: StorageAudit
    """Taken at the end."""


@flow(name="housekeeping", flow_run_name="housekeeping", persist_result=False)
async def housekeeping(dry_run: bool = False) -> dict[str, Any]:
    """Enforce deadlines, wake whom that concerns, and purge what retention does not keep."""
    chosen = settings()
    async with get_client() as client:
        report = await keep_house(
            shared_ledger(chosen.ledger), chosen, dry_run=dry_run, client=client
        )
    return report.model_dump(mode="json")


async def keep_house(
    ledger: Ledger, chosen: Settings, *, dry_run: bool, client: PrefectClient | None = None
) -> HousekeepingReport:
    """One round. Without a client, of a desk that is not running, only the storage is tidied:
    nobody could be told of a deadline, and its workers begin with those when they start.

    Raises UnavailableError when the ledger or the storage is out of reach.
    """
    times: dict[str, int] = {}
    if client is not None and not dry_run:
        times = asdict(await enforce_deadlines(ledger, chosen))
        await wake.deliver_answers(client, ledger)
    store = CheckpointStore(chosen.checkpoint_storage)
    tidied = await purge(ledger, store, RetentionPolicy.of(chosen), dry_run=dry_run)
    return HousekeepingReport(
        dry_run=dry_run,
        storage=tidied,
        audit=await audit_storage(ledger, store),
        **times,
    )
