"""What a run has found out that not everybody may read. It is in no state, event or checkpoint.

Who may read a record is decided where it is read.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import restricted, runs


def keep(connection: sa.Connection, run_id: str, name: str, document: dict[str, Any]) -> None:
    """Keep a document of a run under a name. A later one replaces it."""
    connection.execute(restricted.delete().where(_is(run_id, name)))
    connection.execute(
        restricted.insert().values(run_id=run_id, name=name, body=document, written_at=now())
    )


def find(connection: sa.Connection, run_id: str, name: str) -> dict[str, Any] | None:
    """The document of a run under a name, if it has one."""
    body = connection.execute(sa.select(restricted.c.body).where(_is(run_id, name))).scalar()
    return None if body is None else dict(body)


def of_application(
    connection: sa.Connection, application_id: str, name: str
) -> list[dict[str, Any]]:
    """The documents of all runs of an application under a name."""
    query = (
        sa.select(restricted.c.body)
        .join(runs, runs.c.run_id == restricted.c.run_id)
        .where(runs.c.application_id == application_id, restricted.c.name == name)
    )
    return [dict(body) for body in connection.execute(query).scalars()]


def page(
    connection: sa.Connection, name: str, *, limit: int, after: str = ""
) -> list[tuple[str, str, str, dict[str, Any]]]:
    """The documents of all runs under a name, by run: run, application, time, document."""
    query = (
        sa.select(runs.c.run_id, runs.c.application_id, restricted.c.written_at, restricted.c.body)
        .join(runs, runs.c.run_id == restricted.c.run_id)
        .where(restricted.c.name == name, restricted.c.run_id > after)
        .order_by(restricted.c.run_id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2], dict(row[3])) for row in connection.execute(query)]


def _is(run_id: str, name: str) -> sa.ColumnElement[bool]:
    return (restricted.c.run_id == run_id) & (restricted.c.name == name)
