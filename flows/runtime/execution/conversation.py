"""One agent's exchange with a chat model as a run keeps it: replies, budget, and what is heard."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

from agents.conversation import Conversation
from data.contracts.wording import KeptReply, ModelUse
from flows.runtime.execution.model_budget import Spending
from flows.runtime.execution.recorder import Record

_PIECE = 240
"""The least number of characters of a delta, unless the model is slow."""
_SECONDS = 1.0
_MOST_DELTAS = 12
"""The most of one answer. What comes after them is in the answer itself."""

Tell = Callable[[str, int, int], Awaitable[None]]
"""Tells a piece of the text, with the number of the attempt and of the piece."""


class RunConversation(Conversation):
    """Keeps each reply with the run, under its place and the digest of the request.

    An execution that takes the run up again finds the replies that the one before it got, so that
    it sends only the request that was under way.
    """

    def __init__(self, record: Record, spending: Spending, stage: str, place: str, tell: Tell):
        super().__init__()
        self._record, self._spending, self._stage = record, spending, stage
        self._place, self._tell = place, tell
        self._heard, self._attempt, self._told = "", 0, 0
        self._last_told = time.monotonic()
        self._asked: dict[str, KeptReply] = {}
        """What the model has answered in this exchange."""

    async def recall(self, digest: str) -> KeptReply | None:
        if (own := await super().recall(digest)) is not None:
            return own  # of this execution: its use is booked
        kept = await self._record.kept_answer(lambda: self._key(digest))
        if kept is None:
            await self._book_lost(digest)
            return await self._recall_shared(digest)
        reply = KeptReply.model_validate(kept)
        await super().keep(digest, reply)
        self._spending.book(self._stage, reply.use)
        return reply

    async def begin(self, digest: str, most: ModelUse) -> None:
        await self._record.keep_answer(partial(self._begun, digest, self._record.epoch), most)

    async def _book_lost(self, digest: str) -> None:
        """Count what earlier executions have sent and got no reply to: they died in the call, and
        the provider bills it. What it has used is not known, so the most counts in the budget."""
        for epoch in range(1, self._record.epoch):
            begun = await self._record.kept_answer(partial(self._begun, digest, epoch))
            if begun is not None:
                self._spending.book(self._stage, ModelUse.model_validate(begun))

    async def _recall_shared(self, digest: str) -> KeptReply | None:
        """The reply that another run has got and paid for. It is kept with this run too: the next
        execution finds the same one, also when no other run has it any more."""
        shared = await self._record.shared_reply(digest)
        if shared is None:
            return None
        reply = KeptReply.model_validate(shared)
        free = {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": Decimal(0)}
        reply = reply.model_copy(update={"use": reply.use.model_copy(update=free)})
        await super().keep(digest, reply)
        await self._record.keep_answer(lambda: self._key(digest), reply)
        return reply

    async def keep(self, digest: str, reply: KeptReply) -> None:
        self._asked[digest] = reply
        await super().keep(digest, reply)
        await self._record.keep_answer(lambda: self._key(digest), reply)

    async def share(self) -> None:
        await self._record.share_replies(self._asked)

    def reserve(self, tokens: int, cost: Decimal | None) -> None:
        self._spending.reserve(self._stage, tokens, cost)

    def settle(self, tokens: int, cost: Decimal | None, used: ModelUse | None) -> None:
        self._spending.settle(self._stage, tokens, cost, used)

    async def hear(self, text: str, attempt: int) -> None:
        """Tell the text in few pieces: each event is a row of the journal."""
        if attempt != self._attempt:
            self._heard, self._attempt = "", attempt
        self._heard += text
        is_due = time.monotonic() - self._last_told >= _SECONDS
        if len(self._heard) >= _PIECE or is_due:
            await self.flush()

    async def flush(self) -> None:
        """Tell the text that no event has told yet."""
        if not self._heard or self._told >= _MOST_DELTAS:
            return
        heard, self._heard = self._heard, ""
        self._told += 1
        self._last_told = time.monotonic()
        await self._tell(heard, self._attempt, self._told)

    def _begun(self, digest: str, epoch: int) -> str:
        return f"{self._key(digest)}/begun-{epoch}"

    def _key(self, digest: str) -> str:
        return f"{self._place}/model-{digest[:32]}"
