"""Each kind of result storage that the desk can list and empty, with an S3 server of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from prefect.filesystems import LocalFileSystem, WritableFileSystem
from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters

from flows.runtime.prefect_api.result_storage import LedgerStorage
from tests.desk import unused_port

_FOLDERS = {"bucket": "", "bucket-folder": "desk/one", "bucket-folder-slash": "desk/"}
KINDS = ("ledger", "files", *_FOLDERS)
_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@contextmanager
def s3_server() -> Iterator[str]:
    """A server that speaks S3, as its URL."""
    server = ThreadedMotoServer(port=(port := unused_port()))
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def s3_client(url: str) -> Any:
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **_KEYS)


def bucket(url: str, name: str, folder: str = "") -> S3Bucket:
    """Prefect's block for a bucket that is made here."""
    s3_client(url).create_bucket(Bucket=name)
    parameters = AwsClientParameters(endpoint_url=url)
    key = AwsCredentials(region_name="us-east-1", aws_client_parameters=parameters, **_KEYS)
    return S3Bucket(bucket_name=name, credentials=key, bucket_folder=folder)


def block_of(kind: str, folder: Path, s3: str) -> WritableFileSystem:
    """An empty storage of a kind; what is on disk is below `folder`."""
    if kind == "ledger":
        return LedgerStorage()
    if kind == "files":
        return LocalFileSystem(basepath=str(folder / "results"))
    return bucket(s3, f"desk-{folder.name.replace('_', '-')}"[:60], _FOLDERS[kind])
