"""The product's own root flow, in a process that tests can make fail.

A desk whose `prefect.yaml` names this module runs `flows.underwriting` unchanged. Files in the
folder `CREDIT_DESK_TEST_FAULTS` choose the fault, so a test can begin and end it while the desk
runs:

- `kill-<application>`: the worker that asks the fraud agent about that application is killed
- `hold-<application>`: the fraud agent answers only when the file is gone
- `pages`: the number of pages beyond which the ledger's database file cannot grow
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from agents.fraud import FraudAgent
from data.contracts.case import CaseFile
from data.contracts.findings import FraudFinding
from flows.underwriting import underwrite

__all__ = ["underwrite"]

FAULTS = Path(os.environ["CREDIT_DESK_TEST_FAULTS"])
_NO_LIMIT = 1 << 30
_answer = FraudAgent.answer


async def _deadly(self: FraudAgent, question: CaseFile) -> FraudFinding:
    application_id = question.application.application_id
    if (FAULTS / f"kill-{application_id}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    while (FAULTS / f"hold-{application_id}").exists():  # noqa: ASYNC110 - another process ends it
        await asyncio.sleep(0.05)
    return await _answer(self, question)


def _limit_pages(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    pages = _NO_LIMIT
    with suppress(OSError, ValueError):
        pages = int((FAULTS / "pages").read_text())
    connection.exec_driver_sql(f"pragma max_page_count = {pages}")


FraudAgent.answer = _deadly  # type: ignore[method-assign]
sa.event.listen(sa.Engine, "begin", _limit_pages)
