"""The cases of a canary, measured from the ledger, or judged once more for a shadow.

A shadow judges both bundles inline, from the application in the vault: their times compare, and
neither touches the run that decides.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.canary import Measured
from data.contracts.decision import SYSTEM, DecisionContent, Outcome
from data.contracts.errors import CreditDeskError
from data.contracts.runs import RunOptions, RunStatus
from data.contracts.underwriting import Rulebook, Underwriting
from data.contracts.what_if import Judged, Verdict
from flows.case import case_in_run
from flows.inline import underwrite_inline
from flows.judging import judged, judged_at_gate, measured, measured_attempt
from flows.rulebook import rulebook_of
from flows.runtime.execution.desk import this_desk
from flows.runtime.ledger import applications, canaries, clearances, decisions, journal, runs
from flows.runtime.ledger.canaries import CHALLENGER, SHADOW, CaseRow
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run

_AT_A_TIME = 20
"""How many shadows one look judges."""


async def measure_all(ledger: Ledger) -> int:
    """Measure what has come to an end or to a gate, and judge some shadows; how many cases."""
    found = await ledger.read(canaries.unmeasured)
    shadows = [case for case in found if case.arm == SHADOW][:_AT_A_TIME]
    others = [case for case in found if case.arm != SHADOW]
    if others:
        await ledger.write(_measure_runs, others)
    for case in shadows:
        judged_again = await asyncio.to_thread(judge_shadow, ledger, case)
        await ledger.write(canaries.measure, judged_again)
    return len(shadows) + len(others)


def _measure_runs(connection: sa.Connection, cases: Sequence[CaseRow]) -> None:
    known = runs.find_all(connection, [case.run_id for case in cases])
    for case in cases:
        run = known[case.run_id]
        body = measured_run(connection, run)
        plain = body.model_dump(mode="json") if body else None
        row = replace(case, is_settled=run.status.has_ended)
        if case.arm == CHALLENGER:
            canaries.measure(connection, replace(row, challenger=plain))
        else:
            canaries.measure(connection, replace(row, champion=plain))


def measured_run(connection: sa.Connection, run: Run) -> Measured | None:
    """A run as it stands; None for one that was cancelled."""
    cost = _cost(connection, run.run_id)
    if run.status is RunStatus.CANCELLED:
        return None
    if run.status is RunStatus.FAILED:
        code = (run.error or {}).get("code", "failed")
        return measured(Judged(verdict=Verdict.FAILED, reasons=(code,)), cost_usd=cost)
    found = decisions.with_envelope(connection, [run.run_id]).get(run.run_id)
    if found is None:
        state = Underwriting.model_validate(run.state)
        return measured(judged_at_gate(state, run.phase), cost_usd=cost)
    content = DecisionContent.model_validate_json(json.dumps(found["content"]))
    taken = datetime.fromisoformat(found["decided_at"]) - datetime.fromisoformat(run.created_at)
    people = [ruling for ruling in content.rulings if ruling.role != SYSTEM]
    granted = content.outcome in {Outcome.APPROVE, Outcome.COUNTER_OFFER}
    return measured(
        judged(content, rulebook_of(connection, run.versions["pinned"]).ensemble),
        seconds=taken.total_seconds(),
        cost_usd=cost,
        is_ruled=bool(people),
        is_overridden=granted and any(ruling.override for ruling in people),
    )


def _cost(connection: sa.Connection, run_id: str) -> float | None:
    """The cost of chat models in a run, as its events say; None when one of them is not known."""
    costs = [
        event.meta["cost_usd"]
        for event in journal.with_text(connection, run_id, "cost_usd")
        if "cost_usd" in event.meta
    ]
    return None if None in costs else sum(map(float, costs))


def judge_shadow(ledger: Ledger, case: CaseRow) -> CaseRow:
    """Judge a case by both bundles of its canary. Blocking: call it on a thread.

    An error is a measurement of the bundle. A case that is not there any more is settled without.
    """
    try:
        with ledger.reading() as connection:
            canary = canaries.find(connection, case.canary_id)
            run = runs.find(connection, case.run_id)
            filed = applications.filed(connection, run.application_id)
            books = [
                rulebook_of(connection, digest) for digest in (canary.champion, canary.challenger)
            ]
            options = RunOptions.model_validate(run.options)
            application = case_in_run(filed, options, {})
            day = application.application.as_of_date
            confirmed = clearances.confirmed(connection, day)
    except CreditDeskError:
        return replace(case, is_settled=True)

    def judge(rulebook: Rulebook) -> dict[str, Any]:
        attempt = underwrite_inline(
            application,
            rulebook,
            options=RunOptions(fan_out_policy=options.fan_out_policy),
            agent_policy=this_desk().agent_policy,
            confirmed=confirmed,
        )
        return asyncio.run(measured_attempt(attempt, rulebook.ensemble))[1]

    champion, challenger = map(judge, books)
    return replace(case, champion=champion, challenger=challenger, is_settled=True)
