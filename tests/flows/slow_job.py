"""A scheduled job that takes its time and leaves a mark of every start and end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from prefect import flow


@flow(name="slow-job", persist_result=False)
async def linger(marks: str, seconds: float = 60.0) -> None:
    """Note who executes it, then wait; the second start of a job does not wait any more."""
    folder = Path(marks)
    begun = len(await asyncio.to_thread(lambda: list(folder.glob("start-*"))))
    (folder / f"start-{begun + 1}").write_text(f"{os.getpid()} {os.getppid()}")
    if begun == 0:
        await asyncio.sleep(seconds)
    (folder / f"end-{begun + 1}").touch()
