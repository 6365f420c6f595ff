"""The product's own root flow with a stopwatch, in the worker that executes it.

`CREDIT_DESK_TEST_STOPWATCH` names a folder. Into `times.jsonl` there goes how long each flow
body and each decision stage took; while `stop-<application>` exists, that application's run
fails on the way from its seventh checkpoint to the decision.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from data.contracts.case import CaseFile
from data.contracts.errors import WorkflowError
from flows import underwriting
from flows.runtime.context import current_run
from flows.stages.decision import issue_decision

FOLDER = Path(os.environ["CREDIT_DESK_TEST_STOPWATCH"])


def timed(what: str, fn: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(fn)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        outcome = await fn(*args, **kwargs)
        seconds = time.perf_counter() - began
        with (FOLDER / "times.jsonl").open("a") as book:
            book.write(json.dumps({"what": what, "seconds": seconds}) + "\n")
        return outcome

    return measured


async def issue_unless_stopped(case: CaseFile, *args: Any, **kwargs: Any) -> Any:
    if (FOLDER / f"stop-{case.application.application_id}").exists():
        raise WorkflowError("stopped for the measurement")
    what = "stage, first execution" if current_run().record.epoch <= 2 else "stage, resumed"
    return await timed(what, issue_decision)(case, *args, **kwargs)


vars(underwriting)["issue_decision"] = issue_unless_stopped
underwrite = underwriting.underwrite
underwrite.fn = timed("body", underwrite.fn)  # type: ignore[assignment]
