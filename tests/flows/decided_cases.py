"""Decided runs in a ledger, with what people ruled, as the root flow decides them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.case import CaseFile, Persona
from data.contracts.runs import RunStatus
from flows.runtime.ledger import decisions, runs
from flows.runtime.ledger.database import Ledger, stamp
from flows.runtime.ledger.tables import decisions as rows
from tests.flows.inline import Step, underwritten


async def decided(
    ledger: Ledger, case: Persona | CaseFile, *steps: Step, on: str = "2026-11-10T12:00:00+00:00"
) -> str:
    """Enter the run and the decision of a case, as of a moment. Returns the run's id."""
    done = await underwritten(case, *steps)
    content = done.content

    def enter(connection: sa.Connection) -> str:
        count = connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
        run_id = f"run-{count + 1}"
        state: dict[str, Any] = done.run.state.model_dump(mode="json")
        runs.register(
            connection,
            *(run_id, f"application:{run_id}"),
            application_id=run_id,
            state=state,
            status=RunStatus.COMPLETED,
        )
        decisions.enter(connection, run_id, content)
        when = stamp(datetime.fromisoformat(on))
        this = rows.c.run_id == run_id
        connection.execute(rows.update().where(this).values(decided_at=when))
        return run_id

    return await ledger.write(enter)
