"""Decisions: each is entered once, also after a kill, a replay or a second answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import AlreadyDecidedError, RecordNotFoundError
from data.metrics import DECISIONS
from flows.runtime.ledger import figures, letters, runs
from flows.runtime.ledger.database import insert_or_ignore, now, stamp
from flows.runtime.ledger.letters import Letter
from flows.runtime.ledger.runs import Run
from flows.runtime.ledger.tables import decisions

_ROWS = 500
"""Rows of a report that are in memory at a time."""
_NAMESPACE = UUID("0b3c6a34-6a2e-4a43-8ab0-9ad7f6c5a1de")


def enter(
    connection: sa.Connection, run_id: str, content: Contract, written: Sequence[Letter] = ()
) -> None:
    """Enter a run's decision with its letters, unless the run has entered one already.

    All of it is in the caller's transaction. A run that comes here again leaves decision and
    letters as they are.

    An application has one decision, also when a fork may decide in its parent's place. Raises
    AlreadyDecidedError when another run or a batch has decided it.
    """
    run = runs.find(connection, run_id)
    body = content.model_dump(mode="json")
    decision_id = str(uuid5(_NAMESPACE, run_id))
    is_new = insert_or_ignore(
        connection,
        decisions,
        {
            "run_id": run_id,
            "application_id": run.application_id,
            "decision_id": decision_id,
            "content_sha256": sha256_of(content),
            "body": body,
            "decided_at": now(),
        },
    )
    require_undecided(connection, run)
    if is_new:
        letters.keep(connection, {decision_id: written})
        outcome = str(body.get("outcome", "decided"))
        decided = figures.Observation(DECISIONS, (outcome,), trace_id=run.trace_id)
        figures.observe(connection, [decided])


def find(connection: sa.Connection, run_id: str) -> dict[str, Any]:
    """The decision of a run in its envelope. Raises RecordNotFoundError while there is none."""
    row = connection.execute(sa.select(decisions).where(decisions.c.run_id == run_id)).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"run {run_id} has not come to a decision")
    return _with_envelope(row)


def of_application(connection: sa.Connection, application_id: str) -> str:
    """The id of the decision about an application, by a run or a batch.

    Raises RecordNotFoundError while there is none.
    """
    found = deciders(connection, [application_id]).get(application_id)
    if found is None:
        raise RecordNotFoundError("this application has no decision")
    return found.decision_id


def about(connection: sa.Connection, application_id: str) -> tuple[dict[str, Any], int | None]:
    """The decision on an application in its envelope, and its chunk where a batch has taken it.

    A batch's has no content here: it lies with the chunk. Raises RecordNotFoundError while there is
    no decision.
    """
    this = decisions.c.application_id == application_id
    row = connection.execute(sa.select(decisions).where(this)).one_or_none()
    if row is None:
        raise RecordNotFoundError("this application has no decision")
    if row.run_id:
        return _with_envelope(row), None
    return _with_envelope(row) | {"run_id": "", "batch_id": row.batch_id}, row.chunk


def with_envelope(connection: sa.Connection, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The decisions of those of these runs that have one, by run."""
    found = connection.execute(sa.select(decisions).where(decisions.c.run_id.in_(run_ids)))
    return {row.run_id: _with_envelope(row) for row in found}


def _with_envelope(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "decision_id": row.decision_id,
        "run_id": row.run_id,
        "application_id": row.application_id,
        "decided_at": row.decided_at,
        "content": row.body,
        "content_sha256": row.content_sha256,
    }


def is_decided(connection: sa.Connection, application_id: str) -> bool:
    """Whether an application has its decision."""
    return application_id in deciders(connection, [application_id])


def require_undecided(connection: sa.Connection, run: Run) -> None:
    """Raise AlreadyDecidedError when another run than this, or a batch, decided the application."""
    decider = deciders(connection, [run.application_id]).get(run.application_id)
    if decider is not None and decider.run_id != run.run_id:
        raise AlreadyDecidedError(
            f"application {run.application_id} has been decided by {decider.name}"
        )


@dataclass(frozen=True)
class Decider:
    """Which run or batch has decided an application, on which inputs."""

    run_id: str
    """Empty for a batch."""
    batch_id: str
    """Empty for a run."""
    decision_id: str
    inputs_sha256: str
    """Of a batch's decision; those of a run's are in the vault."""
    content_sha256: str
    decided_at: str

    @property
    def name(self) -> str:
        """The decider in words."""
        return f"run {self.run_id}" if self.run_id else f"batch {self.batch_id}"


def deciders(connection: sa.Connection, application_ids: Collection[str]) -> dict[str, Decider]:
    """The deciders of those of these applications that are decided, by application."""
    query = sa.select(
        decisions.c.application_id,
        sa.func.coalesce(decisions.c.run_id, ""),
        *(decisions.c[field.name] for field in fields(Decider)[1:]),
    ).where(decisions.c.application_id.in_(application_ids))
    return {row[0]: Decider(*row[1:]) for row in connection.execute(query)}


def parts(
    connection: sa.Connection, names: Sequence[str], since: datetime, until: datetime
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Some fields of the content of every run's decision of a period, with the run's id.

    The database takes the fields out: a whole content is many times larger.
    """
    found = connection.execute(
        sa.select(decisions.c.run_id, *(decisions.c.body[name].label(name) for name in names))
        .where(decisions.c.run_id.is_not(None), decisions.c.body.is_not(None))
        .where(decisions.c.decided_at >= stamp(since), decisions.c.decided_at < stamp(until))
        .order_by(decisions.c.decided_at, decisions.c.run_id)
        .execution_options(yield_per=_ROWS)
    )
    for row in found:
        yield row.run_id, {name: getattr(row, name) for name in names}


def decided_runs(
    connection: sa.Connection,
    *,
    since: str = "",
    until: str = "",
    limit: int | None = None,
    product: str | None = None,
    **equal: str,
) -> list[str]:
    """The runs that have decided, the newest decision first.

    `since` and `until` are days, the last one not in the period. The other conditions compare
    fields of the content; `product` is the product that was asked for.
    """
    query = sa.select(decisions.c.run_id).where(
        decisions.c.run_id.is_not(None), decisions.c.body.is_not(None)
    )
    if since:
        query = query.where(decisions.c.decided_at >= since)
    if until:
        query = query.where(decisions.c.decided_at < until)
    for name, value in equal.items():
        query = query.where(decisions.c.body[name].as_string() == value)
    if product is not None:
        query = query.where(decisions.c.body["requested", "product"].as_string() == product)
    order = (decisions.c.decided_at.desc(), decisions.c.run_id)
    return list(connection.execute(query.order_by(*order).limit(limit)).scalars())


def count_between(connection: sa.Connection, since: datetime, until: datetime) -> int:
    """How many decisions runs and batches entered in a period."""
    query = sa.select(sa.func.count()).select_from(decisions)
    in_period = (decisions.c.decided_at >= stamp(since)) & (decisions.c.decided_at < stamp(until))
    return int(connection.execute(query.where(in_period)).scalar_one())


def of_runs(connection: sa.Connection, run_ids: list[str]) -> dict[str, dict[str, Any]]:
    """The contents of several runs' decisions, by run; undecided ones are missing."""
    found = connection.execute(
        sa.select(decisions.c.run_id, decisions.c.body, decisions.c.content_sha256).where(
            decisions.c.run_id.in_(run_ids)
        )
    )
    return {row.run_id: {**row.body, "content_sha256": row.content_sha256} for row in found}
