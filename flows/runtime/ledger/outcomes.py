"""Outcomes: what became of decided applications, beside what their decisions forecast.

A newer report replaces an older one, so a file that is imported twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import outcomes


@dataclass(frozen=True)
class Observed:
    """What became of one application. `observed_on` is a day as in ISO 8601."""

    application_id: str
    outcome: str
    observed_on: str
    forecast: float | None


def known(connection: sa.Connection, application_ids: Collection[str]) -> dict[str, Observed]:
    """What is stored of these applications."""
    found = connection.execute(
        sa.select(*_COLUMNS).where(outcomes.c.application_id.in_(application_ids))
    )
    return {row.application_id: Observed(*row) for row in found}


def store(connection: sa.Connection, observed: Collection[Observed]) -> None:
    """Store these outcomes in the place of what is stored of their applications."""
    replaced = [found.application_id for found in observed]
    connection.execute(outcomes.delete().where(outcomes.c.application_id.in_(replaced)))
    if observed:
        rows = [vars(found) | {"imported_at": now()} for found in observed]
        connection.execute(outcomes.insert(), rows)


def forecasts(connection: sa.Connection) -> Iterator[tuple[float, str]]:
    """Forecast and outcome of every application that has both."""
    query = sa.select(outcomes.c.forecast, outcomes.c.outcome)
    for row in connection.execute(query.where(outcomes.c.forecast.is_not(None))):
        yield row.forecast, row.outcome


_COLUMNS = (
    outcomes.c.application_id,
    outcomes.c.outcome,
    outcomes.c.observed_on,
    outcomes.c.forecast,
)
