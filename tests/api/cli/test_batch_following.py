"""Following a batch: what Ctrl-C does then, and the files that it leaves."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.cli.batch_following import asking_to_stop, follow_to_last_row, keep_results
from api.cli.client import DeskClient
from data.contracts.batch import BatchSummary, BatchTotals
from data.contracts.runs import RunOptions, RunStatus
from tests.api.cli.test_client import frame
from tests.api.desks import MOMENT, RUN_ID

BATCH = f"/batches/{RUN_ID}"
LINES = '{"memo": "a\u2028b"}\n{"memo": "c"}\n'.encode()
SUMMARY = BatchSummary(
    batch_id=RUN_ID,
    file_name="p.jsonl",
    sha256="a" * 64,
    status=RunStatus.COMPLETED,
    options=RunOptions(),
    totals=BatchTotals(),
    created_at=MOMENT,
    updated_at=MOMENT,
)


class Answers:
    """A desk with one batch, which has ended."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()
        self.handlers: list[object] = []
        """What Ctrl-C did at each request."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        self.was_asked.set()
        self.handlers.append(signal.getsignal(signal.SIGINT))
        if request.url.path.endswith("/events"):
            ended = frame(1).replace(b'"type":"progress"', b'"type":"run.completed"')
            return httpx.Response(200, content=ended)
        if request.url.path.endswith(("/decisions", "/rejects")):
            return httpx.Response(200, content=LINES)
        return httpx.Response(200, json=SUMMARY.model_dump(mode="json"))


def asking(answers: Answers) -> DeskClient:
    return DeskClient("http://desk", transport=httpx.MockTransport(answers))


async def test_ctrl_c_does_what_it_did_before_while_a_program_follows_a_batch() -> None:
    """The demonstration has a handler of its own, which ends the desk that it has started."""
    loop, answers = asyncio.get_running_loop(), Answers()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stopped.set)
    try:
        async with asking(answers) as desk:
            await follow_to_last_row(desk, RUN_ID, as_json=True)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stopped.wait(), 5)
    finally:
        loop.remove_signal_handler(signal.SIGINT)

    assert len(set(answers.handlers)) == 1


async def test_the_first_ctrl_c_cancels_the_batch_and_later_ones_do_what_they_did_before() -> None:
    answers, before = Answers(), signal.getsignal(signal.SIGINT)

    async with asking(answers) as desk:
        with asking_to_stop(desk, RUN_ID):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(answers.was_asked.wait(), 5)
            assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGINT) is before

    assert answers.asked == [f"{BATCH}/cancel"]


async def test_the_files_of_results_hold_the_bytes_that_the_desk_sent(tmp_path: Path) -> None:
    async with asking(Answers()) as desk:
        await keep_results(desk, RUN_ID, tmp_path)

    assert (tmp_path / "decisions.jsonl").read_bytes() == LINES
    assert (tmp_path / "rejects.jsonl").read_bytes() == LINES


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_upload(
    tmp_path: Path, closed_port: str, out: str
) -> None:
    portfolio = tmp_path / "p.jsonl"
    portfolio.write_text("{}\n")
    (tmp_path / "file").write_text("in the way")

    told = CliRunner().invoke(
        app, ["batch", str(portfolio), "--out", str(tmp_path / out), "--api", closed_port]
    )

    assert told.exit_code == 2, told.stderr
    assert f"{tmp_path / out} cannot be written" in told.stderr
