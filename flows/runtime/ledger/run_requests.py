"""Run requests: what a run was asked to do, in the ledger before Prefect hears of it.

A request becomes a run of the desk at once, with an id of its own. Prefect is told afterwards and
knows the run by that id. Every client of the Prefect server can start a run there, with any
parameters: a flow run that belongs to no run of the ledger is not executed.
"""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa

from data.contracts.base import Contract
from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.review import Person
from data.contracts.runs import Lineage, RunOptions
from flows.runtime.ledger import applications, runs
from flows.runtime.ledger.runs import Run


class RunRequest(Contract):
    """How a run was asked for."""

    options: RunOptions = RunOptions()
    submitted_by: Person = Person(name="")
    traceparent: str = ""


def submit(
    connection: sa.Connection,
    application_id: str,
    content_sha256: str,
    body: bytes,
    request: RunRequest,
) -> tuple[Run, bool]:
    """Put an application into the vault and enter its run; True when this call entered it.

    The same content again is the same run. Raises ConflictError when other content is filed under
    that id.
    """
    applications.accept(connection, application_id, content_sha256, body)
    return _enter(connection, f"application:{application_id}", application_id, request)


def fork(
    connection: sa.Connection, parent: Run, lineage: Lineage, request: RunRequest, key: str = ""
) -> tuple[Run, bool]:
    """Enter a run that goes on from another's checkpoint; True when this call entered it.

    Each call makes a new run, unless it repeats the idempotency `key` of an earlier one. Raises
    ConflictError when that earlier one asked for something else.
    """
    origin = f"fork:{parent.run_id}:{key or uuid4().hex}"
    run, is_new = _enter(connection, origin, parent.application_id, request, lineage)
    if run.lineage != lineage.model_dump(mode="json"):
        raise ConflictError("this idempotency key was used for another fork")
    return run, is_new


def of_flow_run(connection: sa.Connection, flow_run_id: str, run_id: str) -> Run:
    """The run that a Prefect flow run carries out, by the mapping or by the run id it was given.

    A flow run that was made for a run, and whose maker died before it could say so, becomes that
    run's. Raises RecordNotFoundError when no run asked for it, ConflictError when another flow
    run carries out its run.
    """
    known = runs.of_flow_runs(connection, [flow_run_id]).get(flow_run_id)
    if known is not None:
        return runs.find(connection, known.run_id)
    run = runs.find_all(connection, [run_id]).get(run_id)
    if run is None:
        raise RecordNotFoundError("no run of the desk asked for this flow run")
    if run.flow_run_id or not runs.map_to_flow_run(connection, run_id, flow_run_id, seen=""):
        raise ConflictError(f"run {run_id} is carried out by another flow run")
    return runs.find(connection, run_id)


def submitters(connection: sa.Connection, run: Run) -> tuple[Person, ...]:
    """Who asked for a run, and for the runs that it goes on from; each once."""
    asked = [run]
    while lineage := asked[-1].lineage:
        asked.append(runs.find(connection, lineage["parent_run_id"]))
    people = [Person(name=run.submitted_by, principal=run.submitted_by_principal) for run in asked]
    return tuple(dict.fromkeys(person for person in people if person.name or person.principal))


def _enter(
    connection: sa.Connection,
    origin: str,
    application_id: str,
    request: RunRequest,
    lineage: Lineage | None = None,
) -> tuple[Run, bool]:
    run_id = str(uuid4())
    run = runs.register(
        connection,
        run_id,
        origin,
        application_id=application_id,
        options=request.options.model_dump(mode="json"),
        lineage=lineage.model_dump(mode="json") if lineage else None,
        traceparent=request.traceparent,
        submitted_by=request.submitted_by.name,
        submitted_by_principal=request.submitted_by.principal,
    )
    return run, run.run_id == run_id
