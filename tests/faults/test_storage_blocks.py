"""Checkpoints in local files and in S3, by one setting: the same runs, resumes and forks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.desk import clean_environment, unused_port
from tests.faults import held_runs, invariants
from tests.faults.desk_process import FaultyDesk, faulty_desk_in
from tests.faults.load import Case

pytestmark = [
    pytest.mark.timeout(400),
    # botocore still asks for the time without a zone.
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
]

_BUCKET = "desk-checkpoints"
_SAVE_FILES = """
import sys
from prefect.filesystems import LocalFileSystem
LocalFileSystem(basepath=sys.argv[1]).save("desk")
"""
_SAVE_BUCKET = """
import sys
from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters
key = AwsCredentials(
    aws_access_key_id="testing",
    aws_secret_access_key="testing",
    region_name="us-east-1",
    aws_client_parameters=AwsClientParameters(endpoint_url=sys.argv[1]),
)
key.save("desk")
S3Bucket(bucket_name=sys.argv[2], credentials=key).save("desk")
"""


class Store(Protocol):
    """A storage of checkpoints that a test can take away and bring back."""

    block: str

    def save_block(self, faulty_desk: FaultyDesk) -> None: ...

    def keys(self) -> list[str]: ...

    def take_away(self) -> None: ...

    def bring_back(self) -> None: ...


@dataclass
class Files:
    folder: Path
    block: str = "local-file-system/desk"

    def save_block(self, faulty_desk: FaultyDesk) -> None:
        _run(faulty_desk, _SAVE_FILES, str(self.folder))

    def keys(self) -> list[str]:
        return [
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        ]

    def take_away(self) -> None:
        self.folder.rename(self.folder.with_name("away"))
        self.folder.touch()  # root may write anywhere, but not into a file

    def bring_back(self) -> None:
        self.folder.unlink()
        self.folder.with_name("away").rename(self.folder)


@dataclass
class Bucket:
    port: int
    server: ThreadedMotoServer
    block: str = "s3-bucket/desk"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save_block(self, faulty_desk: FaultyDesk) -> None:
        self._client().create_bucket(Bucket=_BUCKET)
        _run(faulty_desk, _SAVE_BUCKET, self.url, _BUCKET)

    def keys(self) -> list[str]:
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=_BUCKET)
        return [content["Key"] for page in pages for content in page.get("Contents", [])]

    def take_away(self) -> None:
        self.server.stop()

    def bring_back(self) -> None:
        self.server = ThreadedMotoServer(port=self.port)
        self.server.start()

    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )


@dataclass
class Setup:
    faulty_desk: FaultyDesk
    kind: Store


@pytest.fixture(scope="module", params=[pytest.param("files", marks=pytest.mark.soak), "s3"])
async def setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Setup]:
    """A desk that keeps its checkpoints in another Prefect block."""
    folder = tmp_path_factory.mktemp(request.param)
    kind: Store
    if request.param == "files":
        kind = Files(folder / "checkpoints")
    else:
        kind = Bucket(port := unused_port(), ThreadedMotoServer(port=port))
        kind.bring_back()
    try:
        async with faulty_desk_in(folder, CREDIT_DESK_CHECKPOINT_STORAGE=kind.block) as faulty_desk:
            await asyncio.to_thread(kind.save_block, faulty_desk)
            yield Setup(faulty_desk, kind)
    finally:
        if isinstance(kind, Bucket):
            kind.server.stop()


@pytest.fixture(scope="module")
async def decided(setup: Setup) -> Case:
    case = await held_runs.start(setup.faulty_desk)
    await held_runs.until_ended(setup.faulty_desk, case)
    return case


async def test_bodies_lie_in_the_chosen_storage_and_nowhere_else(
    setup: Setup, decided: Case
) -> None:
    rows = setup.faulty_desk.ledger(
        "select storage_key from checkpoints where run_id = ?", decided.run_id
    )

    assert len(rows) == 7
    assert {row["storage_key"] for row in rows} <= set(setup.kind.keys())
    assert not setup.faulty_desk.ledger("select path from blobs where path not like 'pins/%'")


async def test_a_checkpoint_is_read_from_there(setup: Setup, decided: Case) -> None:
    answer = await setup.faulty_desk.http.get(f"/runs/{decided.run_id}/checkpoints/verification")

    assert answer.status_code == 200
    assert answer.json()["label"] == "verification"


async def test_a_killed_run_goes_on_from_there(setup: Setup, decided: Case) -> None:
    case = await held_runs.start_held(setup.faulty_desk)
    await setup.faulty_desk.kill("worker")
    held_runs.let_go(setup.faulty_desk, case)
    await held_runs.until_ended(setup.faulty_desk, case)

    kinds = [event["type"] for event in setup.faulty_desk.journal(case.run_id)]
    assert "run.resumed" in kinds
    assert "checkpoint.missing" not in kinds
    assert held_runs.content(setup.faulty_desk, case) == held_runs.content(
        setup.faulty_desk, decided
    )


async def test_a_fork_shares_what_lies_there(setup: Setup, decided: Case) -> None:
    answer = await setup.faulty_desk.http.post(
        f"/runs/{decided.run_id}/resume", json={"checkpoint": "risk"}
    )
    assert answer.status_code == 202, answer.text
    fork = Case(decided.persona, answer.json()["run_id"], decided.application_id)
    await held_runs.until_ended(setup.faulty_desk, fork)

    began = [
        event["phase"]
        for event in setup.faulty_desk.journal(fork.run_id)
        if event["type"] == "stage.started"
    ]
    assert began == ["policy", "pricing", "decision"]


async def test_while_the_storage_is_away_runs_are_delayed_and_nothing_is_lost(
    setup: Setup, decided: Case
) -> None:
    faulty_desk, kind = setup.faulty_desk, setup.kind
    case = await held_runs.start_held(faulty_desk)
    await asyncio.to_thread(kind.take_away)
    try:
        held_runs.let_go(faulty_desk, case)
        await held_runs.until(lambda: "unavailable" in held_runs.codes(faulty_desk, case))
        status = held_runs.status_of(faulty_desk, case)
    finally:
        await asyncio.to_thread(kind.bring_back)

    assert status in {"queued", "running"}
    await held_runs.until_ended(faulty_desk, case)
    assert held_runs.content(faulty_desk, case) == held_runs.content(faulty_desk, decided)
    await invariants.until_settled(faulty_desk)


def _run(faulty_desk: FaultyDesk, program: str, *arguments: str) -> None:
    """Run a program as a client of the desk's Prefect server."""
    variables = {
        "PREFECT_API_URL": f"http://127.0.0.1:{faulty_desk.prefect_port}/api",
        "PREFECT_HOME": str(faulty_desk.folder / "client"),
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env=clean_environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
