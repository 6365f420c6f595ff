"""A run's thread: what agents and people said, in order."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from data.contracts.runs import Message, RunModelUse
from data.contracts.wording import ModelUse, total_cost
from flows.runtime.ledger.tables import messages


def keep(connection: sa.Connection, run_id: str, said: Iterable[Message]) -> None:
    """Add messages to a run's thread. A run that started over says again what it said before."""
    for message in said:
        this = (messages.c.run_id == run_id) & (messages.c.n == message.n)
        connection.execute(messages.delete().where(this))
        connection.execute(
            messages.insert().values(run_id=run_id, **message.model_dump(mode="json"))
        )


def of_run(connection: sa.Connection, run_id: str) -> list[Message]:
    """All messages of a run."""
    query = sa.select(messages).where(messages.c.run_id == run_id).order_by(messages.c.n)
    return [
        Message(n=row.n, stage=row.stage, author=row.author, text=row.text, model_use=row.model_use)
        for row in connection.execute(query)
    ]


def model_use(connection: sa.Connection, run_id: str) -> RunModelUse | None:
    """What a run has used of chat models; None when none was asked."""
    by_agent: dict[str, ModelUse] = {}
    by_stage: dict[str, ModelUse] = {}
    asked = (messages.c.run_id == run_id) & messages.c.model_use.is_not(None)
    columns = (messages.c.stage, messages.c.author, messages.c.model_use)
    for stage, author, stored in connection.execute(
        sa.select(*columns).where(asked).order_by(messages.c.n)
    ):
        use = ModelUse.model_validate(stored)
        by_agent[author] = by_agent[author] + use if author in by_agent else use
        by_stage[stage] = by_stage[stage] + use if stage in by_stage else use
    if not by_agent:
        return None
    return RunModelUse(
        prompt_tokens=sum(use.prompt_tokens for use in by_agent.values()),
        completion_tokens=sum(use.completion_tokens for use in by_agent.values()),
        cost_usd=total_cost(use.cost_usd for use in by_agent.values()),
        agents=by_agent,
        stages=by_stage,
    )


def fits(message: Message, author: str | None, stage: str | None, text: str | None) -> bool:
    """Whether a message is by that author, of that stage, and holds that text."""
    return (
        author in {None, message.author}
        and stage in {None, message.stage}
        and (text is None or text.casefold() in message.text.casefold())
    )
