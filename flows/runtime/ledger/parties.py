"""The people of an application, by digests: which other applications are theirs.

The digests are keyed with a secret that is not in the ledger, so no person can be guessed from
here. The row of a person goes with the application.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import NOT_ERASED, applications, parties

_AT_ONCE = 5000
"""How many rows one transaction forgets: others wait for it."""


@dataclass(frozen=True)
class Party:
    """One person of one application."""

    application_id: str
    part: str
    """The part that the person has in the application; no name."""
    number_digest: bytes
    name_digest: bytes
    amount: str
    """What the application asks for."""
    outcome: str = ""
    """Of a decision that a batch has taken; a run's is with its decision."""


@dataclass
class Shared:
    """Another application that has people in common with one."""

    application_id: str
    amount: str
    outcome: str
    filed_at: str
    by_number: list[str] = field(default_factory=list)
    """The parts, in the first application, of the people with a number of this one."""
    by_name: list[str] = field(default_factory=list)


def enter(connection: sa.Connection, people: Sequence[Party]) -> None:
    """Enter the people of accepted applications; again, to add the outcome of a batch."""
    if not people:
        return
    filed_at = now()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(parties)
    upsert = insert.on_conflict_do_update(
        index_elements=[parties.c.application_id, parties.c.part],
        set_={"outcome": insert.excluded.outcome},
        where=insert.excluded.outcome != "",
    )
    connection.execute(upsert, [vars(person) | {"filed_at": filed_at} for person in people])


def others(connection: sa.Connection, application_id: str, limit: int) -> list[Shared]:
    """The other applications of an application's people, the newest first."""
    found: dict[str, Shared] = {}
    for column, name in (
        (parties.c.number_digest, "by_number"),
        (parties.c.name_digest, "by_name"),
    ):
        for part, row in _sharing(connection, application_id, column, limit):
            shared = found.setdefault(row.application_id, row)
            getattr(shared, name).append(part)
    newest = sorted(found.values(), key=lambda shared: shared.filed_at, reverse=True)
    return newest[:limit]


def _sharing(
    connection: sa.Connection, application_id: str, column: sa.Column[bytes], limit: int
) -> Collection[tuple[str, Shared]]:
    own, other = parties.alias("own"), parties.alias("other")
    query = (
        sa.select(
            own.c.part,
            *(other.c[name] for name in ("application_id", "amount", "outcome", "filed_at")),
        )
        .join(other, other.c[column.name] == own.c[column.name])
        .where(own.c.application_id == application_id, other.c.application_id != application_id)
        .order_by(other.c.filed_at.desc(), other.c.application_id, own.c.part)
        .distinct()
        .limit(2 * limit)
    )
    return [(row[0], Shared(*row[1:])) for row in connection.execute(query)]


def forget(connection: sa.Connection, application_id: str) -> bool:
    """Forget the people of an application; False when none is known."""
    of_application = parties.c.application_id == application_id
    return bool(connection.execute(parties.delete().where(of_application)).rowcount)


def forget_unfiled(connection: sa.Connection, filed_before: str) -> bool:
    """Forget people whose application is not in the vault any more, or never was, after a time.

    A batch puts no application into the vault that it decides itself. Some thousand people are
    forgotten at a time; False when none is left.
    """
    is_filed = sa.exists().where(
        applications.c.application_id == parties.c.application_id, NOT_ERASED
    )
    key = sa.tuple_(parties.c.application_id, parties.c.part)
    old = sa.select(parties.c.application_id, parties.c.part)
    old = old.where(parties.c.filed_at < filed_before, ~is_filed).limit(_AT_ONCE)
    return bool(connection.execute(parties.delete().where(key.in_(old))).rowcount)
