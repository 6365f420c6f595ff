"""How the desk stands, for the people who run it: its workload, and its decisions by day."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from data.contracts.decision import Outcome
from data.contracts.errors import ContractViolationError, CreditDeskError, Problem
from data.contracts.operations import (
    BusyWorker,
    DecidedDay,
    DecisionDays,
    ExecutedRun,
    Workload,
)
from data.contracts.runs import RunStatus
from flows.runtime.ledger import decision_days, leases, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.worker.jobs import worker_name
from flows.service.agreement import Period

MOST_DAYS = 366
_COUNTED = (*runs.LIVE, RunStatus.FAILED)
_PREFECT_SECONDS = 2.0
_SETTLED_AFTER = timedelta(hours=1)
"""A transaction that began before midnight has ended by then, also by another machine's clock."""

_Outcomes = dict[Outcome, int]


class OperationsDesk:
    """What the view of operations asks. `workers_heard_of` asks Prefect for names of workers."""

    def __init__(self, ledger: Ledger, workers_heard_of: Callable[[], Awaitable[set[str]]]) -> None:
        self._ledger = ledger
        self._workers_heard_of = workers_heard_of
        self._settled: dict[date, _Outcomes] = {}
        """Days that are over, since counting reads every content. A decision that is erased
        afterwards still counts until this process ends."""

    async def decision_days(self, since: date | None, until: date | None) -> DecisionDays:
        """The decisions of each day of a period, by default of the last 30 days.

        Raises ContractViolationError for a period without a day, or with more than `MOST_DAYS`.
        """
        period = Period.of(since, until)
        length = (period.until - period.since).days
        if length > MOST_DAYS:
            message = f"must lie within {MOST_DAYS} days before until"
            problem = Problem("/query/since", "period_too_long", message)
            raise ContractViolationError("the period is too long", [problem])
        days = [period.since + timedelta(days=number) for number in range(length)]
        counts = await self._count(days)
        return DecisionDays(
            since=period.since,
            until=period.until,
            total=sum(sum(outcomes.values()) for outcomes in counts.values()),
            days=tuple(DecidedDay(day=day, outcomes=counts[day]) for day in days),
        )

    async def workload(self) -> Workload:
        """Runs by status, the queue, and the workers with what they execute."""
        heard = await self._heard()
        return await self._ledger.read(_workload, heard)

    async def _count(self, days: list[date]) -> dict[date, _Outcomes]:
        unknown = [day for day in days if day not in self._settled]
        found: dict[date, _Outcomes] = {day: {} for day in unknown}
        if unknown:
            period = Period(unknown[0], unknown[-1] + timedelta(days=1))
            counted = await self._ledger.read(decision_days.count_by_day, *period.moments)
            for (day, outcome), count in sorted(counted.items()):
                found.setdefault(date.fromisoformat(day), {})[Outcome(outcome)] = count
        self._settled |= {day: found[day] for day in unknown if _is_settled(day)}
        return found | {day: self._settled[day] for day in days if day in self._settled}

    async def _heard(self) -> set[str] | None:
        """The workers that Prefect has heard of; None when it does not answer soon."""
        with suppress(CreditDeskError, TimeoutError):
            async with asyncio.timeout(_PREFECT_SECONDS):
                return await self._workers_heard_of()
        return None


def _workload(connection: sa.Connection, heard: set[str] | None) -> Workload:
    executed: defaultdict[str, list[ExecutedRun]] = defaultdict(list)
    for run in leases.leased(connection):
        executed[worker_name(run.lease_owner or "")].append(
            ExecutedRun(run_id=run.run_id, application_id=run.application_id, phase=run.phase)
        )
    since = runs.queued_since(connection)
    waited = (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds() if since else 0.0
    return Workload(
        runs=runs.count_by_status(connection, _COUNTED),
        queued_seconds=max(waited, 0.0),
        workers=tuple(
            BusyWorker(
                name=name,
                heard_of=None if heard is None else name in heard,
                runs=tuple(executed.get(name, ())),
            )
            for name in sorted(executed.keys() | (heard or set()))
        ),
        prefect_answers=heard is not None,
    )


def _is_settled(day: date) -> bool:
    end = datetime.combine(day, time(), UTC) + timedelta(days=1)
    return datetime.now(UTC) >= end + _SETTLED_AFTER
