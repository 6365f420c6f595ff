"""How the desk stands: its runs by status, its workers, and its decisions by day."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract, Day
from data.contracts.batch import Number
from data.contracts.decision import Outcome
from data.contracts.runs import RunStatus


class ExecutedRun(Contract):
    """A run that a worker executes now."""

    run_id: str
    application_id: str
    phase: str


class BusyWorker(Contract):
    """One worker, with the runs whose leases it holds."""

    name: str
    """As Prefect lists it: host, process, a mark of its own, and the start of the desk."""
    heard_of: bool | None
    """Whether it sent Prefect a heartbeat lately; None while Prefect does not answer."""
    runs: tuple[ExecutedRun, ...] = ()


class Workload(Contract):
    """What the desk has to do at this moment."""

    runs: dict[RunStatus, Number]
    """Queued, running, waiting and failed runs. Of the ended ones only failed runs may go on."""
    queued_seconds: Annotated[float, Field(ge=0)]
    """How long the run has been queued that waits longest for a worker."""
    workers: tuple[BusyWorker, ...]
    """Those that Prefect has heard of, busy or not, and those that hold a run."""
    prefect_answers: bool
    """Without Prefect, workers without a run are not known."""


class DecidedDay(Contract):
    """The decisions of one day."""

    day: Day
    outcomes: dict[Outcome, Number]
    """An outcome without a decision is missing."""


class DecisionDays(Contract):
    """Decisions of runs and batches by the day on which they were entered (UTC)."""

    since: Day
    until: Day
    """The first day that is not in the period."""
    total: Number
    days: tuple[DecidedDay, ...]
    """Every day of the period in its order, also one without a decision."""
