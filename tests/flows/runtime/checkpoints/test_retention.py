"""Retention: what goes, what is held back, and that index and storage agree afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from prefect.filesystems import LocalFileSystem, WritableFileSystem

from data.contracts.errors import CheckpointNotFoundError, RecordNotFoundError
from data.contracts.runs import Lineage, RunStatus
from data.settings import Settings
from flows.runtime.checkpoints import retention
from flows.runtime.checkpoints.retention import RetentionPolicy, StorageAudit, audit_storage, purge
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger import checkpoint_index
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api.result_storage import ResultStorage
from tests.flows.runtime import postgres
from tests.flows.runtime.checkpoints.aged_runs import DAY, a_run, age

MONTH = RetentionPolicy(older_than=30 * DAY)
TWO = RetentionPolicy(keep=2)


async def doomed(ledger: Ledger, policy: RetentionPolicy) -> list[tuple[str, int, str]]:
    found = await ledger.read(retention.plan, policy)
    return [(goes.run_id, goes.version, goes.because) for goes in found]


@pytest.fixture
def store(ledger: Ledger) -> CheckpointStore:
    return CheckpointStore()


async def test_only_what_is_too_old_goes_by_age(ledger: Ledger, store: CheckpointStore) -> None:
    await a_run(ledger, store, ages=(40, 31, 29))

    assert await doomed(ledger, MONTH) == [("run-1", 1, "age"), ("run-1", 2, "age")]


async def test_the_latest_of_each_run_stay_by_count(ledger: Ledger, store: CheckpointStore) -> None:
    await a_run(ledger, store, "run-1", ages=(1, 1, 1, 1))
    await a_run(ledger, store, "run-2", ages=(1,))

    assert await doomed(ledger, TWO) == [("run-1", 1, "count"), ("run-1", 2, "count")]


async def test_without_limits_everything_stays(ledger: Ledger, store: CheckpointStore) -> None:
    await a_run(ledger, store, ages=(4000,))

    assert await doomed(ledger, RetentionPolicy()) == []


@pytest.mark.parametrize("status", [status for status in RunStatus if not status.has_ended])
async def test_a_run_that_may_go_on_loses_nothing(
    ledger: Ledger, store: CheckpointStore, status: RunStatus
) -> None:
    await a_run(ledger, store, status=status)

    assert await doomed(ledger, RetentionPolicy(30 * DAY, 1)) == []


async def test_a_legal_hold_wins_until_it_is_released(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await a_run(ledger, store)
    await ledger.write(retention.hold, "run-1", held=True)

    assert (await purge(ledger, store, MONTH, dry_run=False)).purged == ()

    await ledger.write(retention.hold, "run-1", held=False)
    assert len((await purge(ledger, store, MONTH, dry_run=False)).purged) == 3


async def test_a_hold_that_comes_between_plan_and_purge_wins_too(
    ledger: Ledger, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await a_run(ledger, store)
    planned = await ledger.read(retention.plan, MONTH)
    await ledger.write(retention.hold, "run-1", held=True)
    monkeypatch.setattr(retention, "plan", lambda *_: planned)

    assert (await purge(ledger, store, MONTH, dry_run=False)).purged == ()
    assert set(await store.keys("checkpoints/") or ()) == set(keys)


async def test_an_unknown_run_cannot_be_held(ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="no run run-9"):
        await ledger.write(retention.hold, "run-9", held=True)


async def test_what_an_unfinished_fork_goes_on_from_stays(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await a_run(ledger, store)
    lineage = Lineage(parent_run_id="run-1", forked_at="checked/2")
    await a_run(ledger, store, "fork-1", status=RunStatus.RUNNING, ages=(), lineage=lineage)

    assert await doomed(ledger, MONTH) == [("run-1", 1, "age"), ("run-1", 3, "age")]


async def test_what_an_unfinished_fork_goes_on_from_stays_also_where_text_sorts_by_language(
    store: CheckpointStore, postgresql: Ledger
) -> None:
    by_language = "template template0 locale_provider icu icu_locale 'en' locale 'C.UTF-8'"
    with Ledger(postgres.new_database(postgresql, "by_language", by_language)) as ledger:
        ledger.migrate()
        await a_run(ledger, store)
        lineage = Lineage(parent_run_id="run-1", forked_at="checked/2")
        await a_run(ledger, store, "fork-1", status=RunStatus.RUNNING, ages=(), lineage=lineage)

        assert await doomed(ledger, MONTH) == [("run-1", 1, "age"), ("run-1", 3, "age")]


async def test_a_fork_that_comes_between_plan_and_purge_keeps_its_place(
    ledger: Ledger, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await a_run(ledger, store)
    planned = await ledger.read(retention.plan, MONTH)
    lineage = Lineage(parent_run_id="run-1", forked_at="checked/2")
    await a_run(ledger, store, "fork-1", status=RunStatus.QUEUED, ages=(), lineage=lineage)
    monkeypatch.setattr(retention, "plan", lambda *_: planned)

    purged = (await purge(ledger, store, MONTH, dry_run=False)).purged

    assert [goes.storage_key for goes in purged] == [keys[0], keys[2]]


async def test_a_dry_run_says_what_would_go_and_changes_nothing(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store)
    before = await ledger.read(checkpoint_index.entries, "run-1")

    told = await purge(ledger, store, MONTH, dry_run=True)

    assert [goes.storage_key for goes in told.purged] == keys
    assert told.freed_bytes == sum(entry.bytes for entry in before)
    assert await ledger.read(checkpoint_index.entries, "run-1") == before
    assert set(await store.keys("checkpoints/") or ()) == set(keys)


async def test_a_purge_leaves_a_tombstone_with_the_digest(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store, ages=(40, 1))
    before = await ledger.read(checkpoint_index.entries, "run-1")

    await purge(ledger, store, MONTH, dry_run=False)

    gone, kept = await ledger.read(checkpoint_index.entries, "run-1")
    assert gone.purged_at is not None
    assert gone.model_copy(update={"purged_at": None}) == before[0]
    assert kept == before[1]
    assert list(await store.keys("checkpoints/") or ()) == keys[1:]


async def test_loading_what_was_purged_says_so(ledger: Ledger, store: CheckpointStore) -> None:
    await a_run(ledger, store)
    digest = (await ledger.read(checkpoint_index.entries, "run-1"))[-1].sha256
    await purge(ledger, store, MONTH, dry_run=False)

    with pytest.raises(
        CheckpointNotFoundError, match=f"checked/3 of run run-1 was purged.*{digest}"
    ):
        await ledger.read(checkpoint_index.locate, "run-1", "checked")


async def test_index_and_storage_agree_after_a_purge_by_age_and_count(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await a_run(ledger, store, ages=(40, 1))

    await purge(ledger, store, RetentionPolicy(30 * DAY, 1), dry_run=False)

    assert await audit_storage(ledger, store) == StorageAudit()


async def test_a_body_without_a_row_is_swept_after_an_hour(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await a_run(ledger, store, status=RunStatus.RUNNING, ages=(1,))
    old, young = (f"checkpoints/run-1/checked/v{n}-7.json" for n in (8, 9))
    for key in (old, young):
        await store.put(key, {"in": "vain"})
    await ledger.write(age, old, timedelta(minutes=61))

    assert (await purge(ledger, store, RetentionPolicy(), dry_run=False)).swept == (old,)
    assert young in (await store.keys("checkpoints/") or ())


async def test_a_body_that_outlived_its_tombstone_is_swept_at_once(
    ledger: Ledger, store: CheckpointStore
) -> None:
    (key,) = await a_run(ledger, store, ages=(40,))
    await purge(ledger, store, MONTH, dry_run=False)
    await store.put(key, {"deleted": "in vain"})

    assert (await purge(ledger, store, MONTH, dry_run=False)).swept == (key,)


async def test_a_stray_body_of_a_held_run_stays(ledger: Ledger, store: CheckpointStore) -> None:
    await a_run(ledger, store, ages=())
    await ledger.write(retention.hold, "run-1", held=True)
    await store.put("checkpoints/run-1/checked/v9-1.json", {"in": "vain"})
    await ledger.write(age, "checkpoints/run-1/checked/v9-1.json", DAY)

    assert (await purge(ledger, store, MONTH, dry_run=False)).swept == ()


async def test_agents_answers_go_with_the_age_of_an_ended_run(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await a_run(ledger, store, "over", ages=())
    await a_run(ledger, store, "waiting", status=RunStatus.WAITING, ages=())
    for run_id in ("over", "waiting"):
        await store.put(f"answers/{run_id}/an-answer.json", {"days": 3})
        await ledger.write(age, f"answers/{run_id}/an-answer.json", 40 * DAY)
    await store.put("answers/over/fresh.json", {"days": 3})

    assert (await purge(ledger, store, MONTH, dry_run=False)).swept == (
        "answers/over/an-answer.json",
    )


async def test_what_runs_have_pinned_is_no_stray_body(
    ledger: Ledger, store: CheckpointStore
) -> None:
    await store.put("pins/abc", {"policy": 1})
    await ledger.write(age, "pins/abc", 4000 * DAY)

    assert (await purge(ledger, store, MONTH, dry_run=False)).swept == ()


async def test_local_files_are_purged_and_listed_like_the_ledger(
    ledger: Ledger, tmp_path: Path
) -> None:
    store = CheckpointStore(ResultStorage(LocalFileSystem(basepath=str(tmp_path / "results"))))
    keys = await a_run(ledger, store, ages=(40, 1))
    assert set(await store.keys("checkpoints/") or ()) == set(keys)

    await purge(ledger, store, MONTH, dry_run=False)

    assert list(await store.keys("checkpoints/") or ()) == keys[1:]
    assert (await audit_storage(ledger, store)).agrees


async def test_a_storage_that_cannot_delete_keeps_everything_and_it_is_said(
    ledger: Ledger,
) -> None:
    kept: dict[str, bytes] = {}

    class WriteOnly(WritableFileSystem):
        _block_type_slug = "write-only"

        def _resolve_path(self, path: str) -> None:
            """Keys are keys."""

        async def read_path(self, path: str) -> bytes:
            return kept[path]

        async def write_path(self, path: str, content: bytes) -> None:
            kept[path] = content

    store = CheckpointStore(ResultStorage(WriteOnly()))
    keys = await a_run(ledger, store)

    told = await purge(ledger, store, MONTH, dry_run=False)

    assert (told.purged, set(told.kept), set(kept)) == ((), set(keys), set(keys))
    assert all(
        entry.purged_at is None for entry in await ledger.read(checkpoint_index.entries, "run-1")
    )
    assert not (await audit_storage(ledger, store)).listed


@pytest.mark.parametrize(
    ("days", "keep", "expected"),
    [
        (90, 0, RetentionPolicy(90 * DAY, None)),
        (0, 0, RetentionPolicy()),
        (0, 5, RetentionPolicy(None, 5)),
    ],
)
def test_zero_sets_no_limit(days: int, keep: int, expected: RetentionPolicy) -> None:
    chosen = Settings(checkpoint_retention_days=days, checkpoint_keep=keep)

    assert RetentionPolicy.of(chosen) == expected


async def test_however_many_go_forks_are_looked_at_once_per_batch(
    ledger: Ledger, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await a_run(ledger, store, ages=(40,) * 7)
    planned = await ledger.read(retention.plan, MONTH)
    looks: list[int] = []
    look = retention._gone_on_from

    def counted(connection: sa.Connection) -> set[str]:
        looks.append(1)
        return look(connection)

    monkeypatch.setattr(retention, "_AT_ONCE", 3)
    monkeypatch.setattr(retention, "plan", lambda *_: planned)
    monkeypatch.setattr(retention, "_gone_on_from", counted)

    purged = (await purge(ledger, store, MONTH, dry_run=False)).purged

    assert [goes.storage_key for goes in purged] == keys
    assert len(looks) == 3
    assert not await store.keys("checkpoints/")
