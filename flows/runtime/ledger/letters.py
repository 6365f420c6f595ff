"""Letters about decisions: each is written with its decision, as it was sent, and never changed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from data.contracts.base import canonical_json
from flows.runtime.ledger.database import now
from flows.runtime.ledger.tables import letters


@dataclass(frozen=True)
class Letter:
    """One letter, before it is sent."""

    recipient: str
    """Which of the people concerned it is for; not a name."""
    kind: str
    due_by: str
    """The last day for it."""
    body: dict[str, Any]
    """What the reader gets, in all its forms."""

    @cached_property
    def encoded(self) -> tuple[bytes, str]:
        """The body as it is stored, and its digest."""
        body = canonical_json(self.body)
        return zlib.compress(body, level=1), hashlib.sha256(body).hexdigest()


@dataclass(frozen=True)
class SentLetter(Letter):
    """A letter as it was sent."""

    sha256: str
    """The digest of the body's canonical JSON."""
    sent_at: str


def keep(connection: sa.Connection, written: Mapping[str, Sequence[Letter]]) -> None:
    """Write letters, by the id of their decision, in the caller's transaction."""
    moment = now()
    rows = [
        {
            "decision_id": decision_id,
            "number": number,
            "recipient": letter.recipient,
            "kind": letter.kind,
            "due_by": letter.due_by,
            "body": letter.encoded[0],
            "sha256": letter.encoded[1],
            "sent_at": moment,
        }
        for decision_id, of_decision in written.items()
        for number, letter in enumerate(of_decision, 1)
    ]
    if rows:
        connection.execute(letters.insert(), rows)


def of_decision(connection: sa.Connection, decision_id: str) -> list[SentLetter]:
    """The letters of a decision; none for a decision that is older than this table."""
    query = sa.select(letters).where(letters.c.decision_id == decision_id)
    return [
        SentLetter(
            recipient=row.recipient,
            kind=row.kind,
            due_by=row.due_by,
            body=from_json(zlib.decompress(row.body)),
            sha256=row.sha256,
            sent_at=row.sent_at,
        )
        for row in connection.execute(query.order_by(letters.c.number))
    ]


def listed(connection: sa.Connection, decision_id: str) -> list[dict[str, str]]:
    """What the record of a decision says about its letters: to whom, due when, sent when."""
    columns = [letters.c[name] for name in ("recipient", "kind", "due_by", "sent_at", "sha256")]
    query = sa.select(*columns).where(letters.c.decision_id == decision_id)
    found = connection.execute(query.order_by(letters.c.number))
    return [dict(row._mapping) for row in found]
