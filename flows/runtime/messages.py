"""A run's thread: what agents and people said, in order."""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.runs import Message
from flows.runtime.ledger import messages


def of_run(
    connection: sa.Connection,
    run_id: str,
    *,
    author: str | None = None,
    stage: str | None = None,
    text: str | None = None,
) -> list[Message]:
    """The messages of a run, optionally only of one author, one stage, or holding a text."""
    query = sa.select(messages).where(messages.c.run_id == run_id).order_by(messages.c.n)
    if author is not None:
        query = query.where(messages.c.author == author)
    if stage is not None:
        query = query.where(messages.c.stage == stage)
    if text is not None:
        query = query.where(messages.c.text.icontains(text, autoescape=True))
    return [
        Message(n=row.n, stage=row.stage, author=row.author, text=row.text)
        for row in connection.execute(query)
    ]
