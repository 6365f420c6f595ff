"""What an agent with a chat model needs from outside: a memory of replies, a budget, a listener.

The caller of an agent puts a conversation into force with `holding`. An agent that is asked without
one has an own memory that ends with its answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal

from data.contracts.errors import AgentError
from data.contracts.wording import KeptReply, ModelUse, Wording


class BudgetSpentError(AgentError):
    """The tokens or dollars that a run or a stage may use would not be enough for a request."""

    code = "model_budget_spent"


class Conversation:
    """One agent's exchange with a chat model. The base keeps it in memory and limits nothing."""

    def __init__(self) -> None:
        self.wording: Wording | None = None
        """What the exchange came to."""
        self._replies: dict[str, KeptReply] = {}

    async def recall(self, digest: str) -> KeptReply | None:
        """The reply to an equal request, if there was one."""
        return self._replies.get(digest)

    async def begin(self, digest: str, most: ModelUse) -> None:
        """Note that a request is about to be sent, and the most that it can use."""

    async def keep(self, digest: str, reply: KeptReply) -> None:
        """Remember a reply before it is used."""
        self._replies[digest] = reply

    async def share(self) -> None:
        """Let other runs use the replies: the exchange came to an answer without faults."""

    def reserve(self, tokens: int, cost: Decimal | None) -> None:
        """Set aside the most that a request can use. Raises BudgetSpentError."""

    def settle(self, tokens: int, cost: Decimal | None, used: ModelUse | None) -> None:
        """Release a reservation, and book the actual use instead; None for no reply."""

    async def hear(self, text: str, attempt: int) -> None:
        """Take a piece of text that agrees with the evidence, while the model writes on."""


_held: ContextVar[Conversation | None] = ContextVar("conversation", default=None)


@contextmanager
def holding(conversation: Conversation) -> Iterator[Conversation]:
    """Let the agent that is asked inside the block use this conversation."""
    token = _held.set(conversation)
    try:
        yield conversation
    finally:
        _held.reset(token)


def conversation() -> Conversation:
    """The conversation in force, or one that ends with the answer."""
    return _held.get() or Conversation()
