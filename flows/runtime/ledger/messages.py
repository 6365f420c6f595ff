"""A run's thread: what agents and people said, in order."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from data.contracts.runs import Message
from flows.runtime.ledger.tables import messages


def keep(connection: sa.Connection, run_id: str, said: Iterable[Message]) -> None:
    """Add messages to a run's thread. A run that started over says again what it said before."""
    for message in said:
        this = (messages.c.run_id == run_id) & (messages.c.n == message.n)
        connection.execute(messages.delete().where(this))
        connection.execute(messages.insert().values(run_id=run_id, **message.model_dump()))


def of_run(connection: sa.Connection, run_id: str) -> list[Message]:
    """All messages of a run."""
    query = sa.select(messages).where(messages.c.run_id == run_id).order_by(messages.c.n)
    return [
        Message(n=row.n, stage=row.stage, author=row.author, text=row.text)
        for row in connection.execute(query)
    ]


def fits(message: Message, author: str | None, stage: str | None, text: str | None) -> bool:
    """Whether a message is by that author, of that stage, and holds that text."""
    return (
        author in {None, message.author}
        and stage in {None, message.stage}
        and (text is None or text.casefold() in message.text.casefold())
    )
