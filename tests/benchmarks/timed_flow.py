"""The product's own root flow with a stopwatch, in the worker that executes it.

`CREDIT_DESK_TEST_STOPWATCH` names a folder. Its file `times.jsonl` gets the seconds of each flow
body and each decision stage. While the file `stop-<application>` exists, the run of that
application fails between its seventh checkpoint and the decision.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from data.contracts.case import CaseFile
from data.contracts.errors import WorkflowError
from flows import underwriting
from flows.runtime.execution.open_run import open_run
from flows.runtime.execution.surroundings import OpenRun
from flows.stages.decision import issue_decision
from flows.underwriting import underwrite

__all__ = ["underwrite"]

FOLDER = Path(os.environ["CREDIT_DESK_TEST_STOPWATCH"])


def note(what: str, began: float) -> None:
    seconds = time.perf_counter() - began
    with (FOLDER / "times.jsonl").open("a") as book:
        book.write(json.dumps({"what": what, "seconds": seconds}) + "\n")


@asynccontextmanager
async def timed_run(*args: Any, **kwargs: Any) -> AsyncIterator[OpenRun[Any]]:
    """The whole flow body: it consists of an open run."""
    began = time.perf_counter()
    async with open_run(*args, **kwargs) as run:
        yield run
    note("body", began)


async def timed_decision(case: CaseFile, *args: Any, **kwargs: Any) -> Any:
    if (FOLDER / f"stop-{case.application.application_id}").exists():
        raise WorkflowError("stopped for the measurement")
    began = time.perf_counter()
    content = await issue_decision(case, *args, **kwargs)
    note("stage", began)
    return content


vars(underwriting).update(open_run=timed_run, issue_decision=timed_decision)
