"""Replies of chat models that other runs may use, by the digest of their request.

The digest covers the model, the version of the prompts, the form of the answer, and the request as
it was sent, with its masks.
"""

from __future__ import annotations

import zlib
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from data.contracts.base import Contract, canonical_json
from flows.runtime.ledger.database import insert_or_ignore, moment, now
from flows.runtime.ledger.tables import model_answers, runs


def keep(connection: sa.Connection, run_id: str, replies: dict[str, Contract]) -> None:
    """Keep replies that a run has got. The first reply to a request stays."""
    for digest, reply in replies.items():
        body = zlib.compress(canonical_json(reply), level=1)
        row = {"digest": digest, "run_id": run_id, "body": body, "kept_at": now()}
        insert_or_ignore(connection, model_answers, row)


def find(connection: sa.Connection, digest: str, days: int) -> dict[str, Any] | None:
    """The reply to an equal request that was kept in the last `days`."""
    query = sa.select(model_answers.c.body).where(
        model_answers.c.digest == digest, model_answers.c.kept_at >= _before(days)
    )
    body = connection.execute(query).scalar_one_or_none()
    found: dict[str, Any] | None = None if body is None else from_json(zlib.decompress(body))
    return found


def count_old(connection: sa.Connection, days: int) -> int:
    """How many replies are older than `days`."""
    count = sa.select(sa.func.count()).select_from(model_answers)
    old = count.where(model_answers.c.kept_at < _before(days))
    return int(connection.execute(old).scalar_one())


def purge(connection: sa.Connection, days: int) -> int:
    """Remove the replies that are older than `days`, and count them."""
    old = model_answers.delete().where(model_answers.c.kept_at < _before(days))
    return connection.execute(old).rowcount


def erase(connection: sa.Connection, application_id: str) -> None:
    """Remove the replies that runs of an application have got."""
    of_application = sa.select(runs.c.run_id).where(runs.c.application_id == application_id)
    connection.execute(model_answers.delete().where(model_answers.c.run_id.in_(of_application)))


def _before(days: int) -> str:
    return moment(-days * 86_400)
