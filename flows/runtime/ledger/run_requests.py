"""Orders: what a run was asked to do, in the ledger before Prefect hears of it.

Whoever reaches the Prefect server can start a run there, with whatever parameters. So a run is
only told which order it carries out, by its application's id or the digest of a fork's order,
and reads the order here. What nobody ordered is not executed.
"""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from pydantic import Field, ValidationError

from data.contracts.base import Contract
from data.contracts.errors import ConflictError, RecordNotFoundError
from data.contracts.runs import Lineage, RunOptions
from flows.runtime.ledger import runs
from flows.runtime.ledger.database import applications
from flows.runtime.ledger.runs import Run


class Order(Contract):
    """How a run was asked for, kept with its application."""

    name: str
    """What the run is called in Prefect; an id, never a person's name."""
    options: RunOptions = RunOptions()
    submitted_by: str = ""
    traceparent: str = ""
    tags: tuple[str, ...] = ()


class ForkOrder(Order):
    """How a fork was asked for."""

    application_id: str
    lineage: Lineage
    mark: str = Field(default_factory=lambda: uuid4().hex)
    """Makes every order another one, though the same be asked for twice."""


def keep(connection: sa.Connection, order: ForkOrder) -> str:
    """Store a fork's order; the digest by which its run finds it."""
    return runs.keep_pinned(connection, order)


def enter(
    connection: sa.Connection,
    run_id: str,
    application_id: str,
    fork: str = "",
    traceparent: str = "",
) -> Run:
    """Enter a run as it was ordered; the one that carries out that order, perhaps another.

    A run that is entered already is taken as it was then, whatever Prefect says of it now.
    Raises RecordNotFoundError when nobody ordered it.
    """
    known = runs.find_all(connection, [run_id]).get(run_id)
    if known is not None:
        return known
    order = _fork(connection, fork, application_id) if fork else _plain(connection, application_id)
    lineage = order.lineage.model_dump(mode="json") if isinstance(order, ForkOrder) else None
    return runs.register(
        connection,
        run_id,
        f"fork:{fork}" if fork else f"application:{application_id}",
        application_id=application_id,
        options=order.options.model_dump(mode="json"),
        lineage=lineage,
        traceparent=traceparent,
        submitted_by=order.submitted_by,
    )


def take_up(
    connection: sa.Connection,
    run_id: str,
    application_id: str,
    fork: str = "",
    traceparent: str = "",
) -> Run:
    """Enter a run that is about to be executed.

    Raises RecordNotFoundError when nobody ordered it, ConflictError when another carries out
    its order.
    """
    run = enter(connection, run_id, application_id, fork, traceparent)
    if run.run_id != run_id:
        raise ConflictError(f"what this run was started for is run {run.run_id}'s")
    return run


def submitters(connection: sa.Connection, run: Run) -> tuple[str, ...]:
    """Who asked for a run, and for those that it goes on from; each once."""
    names = [_plain(connection, run.application_id).submitted_by]
    ancestor: Run | None = run
    while ancestor is not None:
        names.append(ancestor.submitted_by)
        parent = ancestor.lineage["parent_run_id"] if ancestor.lineage else ""
        ancestor = runs.find_all(connection, [parent]).get(parent)
    return tuple(dict.fromkeys(name for name in names if name))


def _plain(connection: sa.Connection, application_id: str) -> Order:
    kept = connection.execute(
        sa.select(applications.c.order).where(applications.c.application_id == application_id)
    ).scalar_one_or_none()
    if kept is None:
        raise RecordNotFoundError("nobody ordered this run: its application is not in the vault")
    return Order.model_validate(kept)


def _fork(connection: sa.Connection, digest: str, application_id: str) -> ForkOrder:
    try:
        order = ForkOrder.model_validate_json(runs.pinned_body(connection, digest))
    except (RecordNotFoundError, ValidationError):
        raise RecordNotFoundError("nobody ordered this fork") from None
    if order.application_id != application_id:
        raise RecordNotFoundError("nobody ordered this fork of this application")
    return order
