"""A portfolio comes in: a copy of its own while a driver needs it, and files that can be read."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from data.contracts.batch import StartBatch
from data.contracts.errors import ContractViolationError, RecordNotFoundError
from data.contracts.review import Channel, Role
from data.contracts.runs import RunOptions
from data.settings import settings
from flows.runtime.ledger import batch_driver, batch_ends
from flows.runtime.ledger import batches as register
from flows.runtime.ledger.database import Ledger
from flows.service import batches
from flows.service.batches import PortfolioFile
from flows.service.requests import Caller

OLA = Caller(name="Ola", roles=(Role.OPERATOR,), proven=True, channel=Channel.HTTP)
CONTENT = b'{"application": {}}\n'
LATER = RunOptions.model_validate({"as_of_date": "2026-11-22"})


async def uploaded(options: RunOptions | None = None) -> PortfolioFile:
    sent = io.BytesIO(CONTENT)
    return await batches.from_upload(settings(), sent, "p.jsonl", options or RunOptions())


async def entered(ledger: Ledger, file: PortfolioFile) -> tuple[str, bool]:
    return await ledger.write(batches.enter, file, OLA)


@pytest.fixture
def folder(ledger: Ledger) -> Path:
    """The inbox of this test's desk."""
    settings().inbox.mkdir(parents=True)
    return settings().inbox


async def test_two_batches_of_one_content_have_a_copy_each(ledger: Ledger) -> None:
    first, second = await uploaded(), await uploaded(LATER)

    assert first.sha256 == second.sha256
    assert first.path != second.path
    for file in (first, second):
        batch_id, is_new = await entered(ledger, file)
        assert is_new
        assert file.path.name == f"{batch_id}.jsonl"
        assert file.path.read_bytes() == CONTENT
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


async def test_the_copy_of_a_batch_under_way_stays_when_the_file_is_sent_again(
    ledger: Ledger,
) -> None:
    file = await uploaded()
    batch_id, _ = await entered(ledger, file)
    await ledger.write(batch_driver.begin, batch_id, "flow-run", 0)

    _, is_new = await entered(ledger, await uploaded())

    assert not is_new
    assert file.path.read_bytes() == CONTENT


@pytest.mark.parametrize("end", ["completed", "no good row", "driven from the inbox"])
async def test_a_copy_that_no_driver_will_read_is_removed(
    ledger: Ledger, folder: Path, end: str
) -> None:
    (folder / "p.jsonl").write_bytes(CONTENT)
    in_inbox = await batches.in_inbox(settings(), StartBatch(path="p.jsonl"))
    batch_id, _ = await entered(ledger, in_inbox)
    if end == "completed":
        await ledger.write(batch_ends.complete, batch_id, "done", {})
    elif end == "no good row":
        error = {"code": register.NO_GOOD_ROW, "message": "all rows were rejected"}
        await ledger.write(batch_ends.fail, batch_id, error)

    copy = await uploaded()
    assert await entered(ledger, copy) == (batch_id, False)

    assert not copy.path.exists()
    assert in_inbox.path.exists()


async def test_a_stopped_batch_goes_on_with_the_new_copy(ledger: Ledger) -> None:
    batch_id, _ = await entered(ledger, await uploaded())
    await ledger.write(batch_ends.request_cancel, batch_id)

    file = await uploaded()
    _, is_new = await entered(ledger, file)

    assert is_new
    assert file.path.exists()


async def test_an_upload_that_breaks_off_leaves_no_file(ledger: Ledger) -> None:
    class Broken(io.BytesIO):
        """A file on which the second reading fails, as on a disk that is full."""

        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await batches.from_upload(settings(), Broken(CONTENT), "p.jsonl", RunOptions())

    assert list((settings().folder / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["missing.jsonl", f"{'x' * 250}.jsonl", "a\0b.jsonl", "folder.jsonl", "folder.jsonl/p.jsonl"],
)
async def test_a_name_that_no_file_of_the_inbox_has_is_not_found(folder: Path, name: str) -> None:
    (folder / "folder.jsonl").mkdir()

    with pytest.raises(RecordNotFoundError, match="no such file in the inbox"):
        await batches.in_inbox(settings(), StartBatch(path=name))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../ledger.db", "path_not_allowed"),
        ("/etc/passwd", "path_not_allowed"),
        ("p.exe", "unknown_format"),
    ],
)
async def test_a_name_outside_the_inbox_or_of_no_portfolio_is_refused(
    folder: Path, name: str, code: str
) -> None:
    with pytest.raises(ContractViolationError) as refused:
        await batches.in_inbox(settings(), StartBatch(path=name))

    assert [problem.code for problem in refused.value.problems] == [code]
