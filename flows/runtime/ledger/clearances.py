"""Clearances: what one person found and a second one confirmed, so that it is not asked again.

The ledger knows of a subject only its digest. It has another digest as soon as anything that was
cleared changes, so an old clearance never covers something new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import uuid4

import sqlalchemy as sa

from data.contracts.errors import AuthorityError, ConflictError, RecordNotFoundError
from data.contracts.review import Person
from data.contracts.runs import Clearance
from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import clearances


def propose(
    connection: sa.Connection,
    run_id: str,
    subjects: Collection[tuple[str, str]],
    by: Person,
    valid_until: date,
) -> None:
    """Enter what a person has cleared: digests, and what each is about.

    It counts for nothing until a second person confirms it.
    """
    for subject, about in subjects:
        connection.execute(
            clearances.insert().values(
                clearance_id=uuid4().hex,
                subject=subject,
                about=about,
                run_id=run_id,
                proposed_by=by.name,
                proposed_by_principal=by.principal,
                proposed_at=now(),
                valid_until=valid_until.isoformat(),
            )
        )


def confirm(connection: sa.Connection, clearance_id: str, by: Person) -> Clearance:
    """Let a clearance count, on the word of a second person.

    The same confirmation again changes nothing. Raises RecordNotFoundError, AuthorityError for the
    person who proposed it, and ConflictError when another person has confirmed it.
    """
    found = find(connection, clearance_id)
    if by.is_same_as(Person(name=found.proposed_by, principal=found.proposed_by_principal)):
        raise AuthorityError("another person has to confirm it than the one who cleared it")
    if found.confirmed_at:
        before = Person(name=found.confirmed_by, principal=found.confirmed_by_principal)
        if not by.is_same_as(before):
            raise ConflictError("another person has confirmed it already")
        return found
    connection.execute(
        clearances.update()
        .where(clearances.c.clearance_id == clearance_id)
        .values(confirmed_by=by.name, confirmed_by_principal=by.principal, confirmed_at=now())
    )
    return find(connection, clearance_id)


@dataclass(frozen=True)
class Confirmed:
    """Confirmed clearances as the ledger had them at one moment, for many questions."""

    by_subject: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The last day and the id of the clearance of each subject that counts for longest."""

    def valid(self, subjects: Collection[str], day: date) -> dict[str, str]:
        """The clearances that cover these subjects on a day: their ids by subject."""
        found = {name: self.by_subject[name] for name in subjects if name in self.by_subject}
        return {name: id for name, (last, id) in found.items() if last >= day.isoformat()}


def confirmed(
    connection: sa.Connection, since: date, subjects: Collection[str] | None = None
) -> Confirmed:
    """The confirmed clearances that count on a day or later, of these subjects or of all."""
    query = sa.select(clearances.c.subject, clearances.c.valid_until, clearances.c.clearance_id)
    query = query.where(
        clearances.c.confirmed_at != "", clearances.c.valid_until >= since.isoformat()
    )
    if subjects is not None:
        query = query.where(clearances.c.subject.in_(subjects))
    rows = connection.execute(query.order_by(clearances.c.valid_until, clearances.c.clearance_id))
    return Confirmed({row.subject: (row.valid_until, row.clearance_id) for row in rows})


def page(connection: sa.Connection, *, limit: int, after: str = "") -> list[Clearance]:
    """Clearances by id, after the last one seen."""
    query = sa.select(clearances).where(clearances.c.clearance_id > after)
    query = query.order_by(clearances.c.clearance_id).limit(limit)
    return [Clearance.model_validate(dict(row._mapping)) for row in connection.execute(query)]


def find(connection: sa.Connection, clearance_id: str) -> Clearance:
    """One clearance. Raises RecordNotFoundError when there is none."""
    query = sa.select(clearances).where(clearances.c.clearance_id == clearance_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise RecordNotFoundError(f"there is no clearance {clearance_id}")
    return Clearance.model_validate(dict(row._mapping))
