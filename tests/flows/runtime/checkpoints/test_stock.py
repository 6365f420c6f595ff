"""Listing and emptying: files and S3 lose by retention what the ledger would, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3  # type: ignore[import-untyped, unused-ignore]
import pytest
from moto.server import ThreadedMotoServer
from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters

from data.contracts.errors import UnavailableError
from flows.runtime.checkpoints.retention import RetentionPolicy, audit_storage, purge
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.ledger.database import Ledger
from flows.runtime.prefect_api.result_storage import LedgerStorage, ResultStorage
from tests.desk import unused_port
from tests.flows.runtime.checkpoints.test_retention import a_run

# botocore still asks for the time without a zone.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

MONTH = RetentionPolicy(older_than=timedelta(days=30))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, as its URL."""
    server = ThreadedMotoServer(port=(port := unused_port()))
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def bucket(url: str, name: str, folder: str = "") -> S3Bucket:
    told = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **told).create_bucket(Bucket=name)
    parameters = AwsClientParameters(endpoint_url=url)
    key = AwsCredentials(region_name="us-east-1", aws_client_parameters=parameters, **told)
    return S3Bucket(bucket_name=name, credentials=key, bucket_folder=folder)


@pytest.fixture(params=["ledger", "files", "bucket", "bucket-folder", "bucket-folder-slash"])
def store(request: pytest.FixtureRequest, tmp_path: Path, ledger: Ledger) -> CheckpointStore:
    """The store on each kind of storage that can be listed and emptied."""
    storage: WritableFileSystem
    if request.param == "ledger":
        storage = LedgerStorage()
    elif request.param == "files":
        storage = LocalFileSystem(basepath=str(tmp_path / "results"))
    else:
        folders = {"bucket": "", "bucket-folder": "desk/one", "bucket-folder-slash": "desk/"}
        url = request.getfixturevalue("s3")
        storage = bucket(
            url, f"desk-{tmp_path.name.replace('_', '-')}"[:60], folders[request.param]
        )
    return CheckpointStore(ResultStorage(storage))


async def test_keys_are_listed_by_prefix_with_the_time_since_when(store: CheckpointStore) -> None:
    for key in ("checkpoints/run-1/a/v1-1.json", "checkpoints/run-2/a/v1-1.json", "answers/x.json"):
        await store.put(key, {"key": key})

    found = await store.keys("checkpoints/")

    assert found is not None
    assert set(found) == {"checkpoints/run-1/a/v1-1.json", "checkpoints/run-2/a/v1-1.json"}
    for since in found.values():
        assert abs(datetime.now(UTC) - since) < timedelta(minutes=1)


async def test_what_was_removed_is_gone_and_removing_it_again_is_no_error(
    store: CheckpointStore,
) -> None:
    await store.put("checkpoints/a.json", {"n": 1})
    await store.put("checkpoints/b.json", {"n": 2})

    assert await store.delete("checkpoints/a.json")
    assert await store.delete("checkpoints/a.json")

    assert set(await store.keys("checkpoints/") or ()) == {"checkpoints/b.json"}


async def test_retention_purges_and_the_audit_agrees_wherever_checkpoints_lie(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store, ages=(40, 1))
    assert (await audit_storage(ledger, store)).agrees

    told = await purge(ledger, store, MONTH, dry_run=False)

    assert [one.storage_key for one in told.purged] == keys[:1]
    assert told.kept == ()
    assert list(await store.keys("checkpoints/") or ()) == keys[1:]
    assert (await audit_storage(ledger, store)).agrees


async def test_the_audit_sees_what_is_missing_and_what_belongs_to_nothing(
    ledger: Ledger, store: CheckpointStore
) -> None:
    keys = await a_run(ledger, store, ages=(1,))
    await store.delete(keys[0])
    await store.put("checkpoints/run-1/checked/v9-1.json", {"nobody": "knows"})

    audit = await audit_storage(ledger, store)

    assert audit.missing == (keys[0],)
    assert audit.unindexed == ("checkpoints/run-1/checked/v9-1.json",)


async def test_a_bucket_that_does_not_answer_is_out_of_reach(s3: str) -> None:
    gone = bucket(s3, "desk-gone")
    boto3.client(
        "s3",
        endpoint_url=s3,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).delete_bucket(Bucket="desk-gone")
    store = CheckpointStore(ResultStorage(gone))

    with pytest.raises(UnavailableError, match="could not be listed"):
        await store.keys("checkpoints/")
    with pytest.raises(UnavailableError, match="did not give up"):
        await store.delete("checkpoints/a.json")
