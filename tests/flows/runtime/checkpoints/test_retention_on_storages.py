"""Retention on every kind of storage: it removes what is due, and the audit agrees afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.runtime.checkpoints.retention import RetentionPolicy, audit_storage, purge
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api.result_storage import ResultStorage
from tests.flows.runtime.checkpoints.aged_runs import DAY, a_run
from tests.flows.runtime.storages import KINDS, block_of

# botocore still asks for the time without a zone.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

MONTH = RetentionPolicy(older_than=30 * DAY)


@pytest.fixture(params=KINDS)
def store(
    request: pytest.FixtureRequest, tmp_path: Path, ledger: Ledger, s3: str
) -> CheckpointStore:
    """The store on each kind of storage that can be listed and emptied."""
    return CheckpointStore(ResultStorage(block_of(request.param, tmp_path, s3)))


async def test_retention_purges_and_the_audit_agrees_wherever_checkpoints_lie(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store, ages=(40, 1))
    assert (await audit_storage(ledger, store)).agrees

    told = await purge(ledger, store, MONTH, dry_run=False)

    assert [purged.storage_key for purged in told.purged] == keys[:1]
    assert told.kept == ()
    assert list(await store.keys("checkpoints/") or ()) == keys[1:]
    assert (await audit_storage(ledger, store)).agrees


async def test_the_audit_sees_what_is_missing_and_what_belongs_to_nothing(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store, ages=(1,))
    await store.delete(keys[0])
    await store.put("checkpoints/run-1/checked/v9-1.json", {"of": "no run"})

    audit = await audit_storage(ledger, store)

    assert audit.missing == (keys[0],)
    assert audit.unindexed == ("checkpoints/run-1/checked/v9-1.json",)
    assert not audit.agrees
