"""The requests of one exchange with a chat model: kept by content, counted, held to the budget."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from agents.chat import ChatModel
from agents.conversation import Conversation
from data.contracts.base import sha256_of
from data.contracts.wording import Degradation, KeptReply, ModelUse, total_cost

if TYPE_CHECKING:
    from agent_framework import ChatContext, ChatMiddleware, ChatResponse

_CHARACTERS_PER_TOKEN = 3
"""For estimates: English has about four, JSON fewer."""
_MOST_TOKENS = 1_000_000
"""No request of the desk is so long."""


@dataclass
class Calls:
    """Asks the model only what it has not answered before in this run, and only within budget."""

    model: ChatModel
    conversation: Conversation
    prompt: str
    """The version of the prompts."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal | None = Decimal(0)
    seconds: float = 0.0
    answered: int = 0
    hits: int = 0
    refusals: int = 0
    _open: list[_Request] = field(default_factory=list)

    def as_middleware(self) -> ChatMiddleware:
        """This as a part of the framework, which calls it around every request."""
        from agent_framework import ChatMiddleware

        process = self._process

        class KeptCalls(ChatMiddleware):
            async def process(
                self, context: ChatContext, call_next: Callable[[], Awaitable[None]]
            ) -> None:
                await process(context, call_next)

        return KeptCalls()

    def use(self, degraded: Degradation | None = None) -> ModelUse:
        """What the exchange has used so far."""
        return self._use(self.prompt_tokens, self.completion_tokens, self.cost).model_copy(
            update={
                "latency_ms": round(self.seconds * 1000, 3),
                "calls": self.answered,
                "cache_hits": self.hits,
                "refusals": self.refusals,
                "degraded": degraded,
            }
        )

    def close(self, written: int = 0) -> None:
        """Book the requests that were broken off, by what they can have used at most.

        `written` is how many characters of their replies have arrived. A provider bills these too.
        """
        while self._open:
            request = self._open.pop()
            completion = written // _CHARACTERS_PER_TOKEN
            prompt = request.prompt_tokens if written else 0
            self._book(request, prompt, completion, is_answer=bool(written))

    async def _process(
        self, context: ChatContext, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        request = self._request(context)
        kept = await self.conversation.recall(request.digest)
        if kept is not None:
            context.result = _replayed(kept)
            self.hits += 1
            self._count(kept.use.prompt_tokens, kept.use.completion_tokens)
            return
        self.conversation.reserve(request.most_tokens, request.most_cost)
        self._open.append(request)
        completion = self.model.access.max_tokens
        most = self._use(request.prompt_tokens, completion, request.most_cost)
        await self.conversation.begin(request.digest, most)

        async def arrived(reply: ChatResponse[Any]) -> ChatResponse[Any]:
            await self._arrived(request, reply)
            return reply

        context.stream_result_hooks.append(arrived)
        await call_next()

    async def _arrived(self, request: _Request, reply: ChatResponse[Any]) -> None:
        if request not in self._open:
            return
        used: Mapping[str, Any] = reply.usage_details or {}
        # A server that counts no tokens must not be free of the budget.
        prompt = _counted(used.get("input_token_count"), request.prompt_tokens)
        completion = _counted(used.get("output_token_count"), _estimate(reply.text))
        kept = KeptReply(
            reply=reply.to_dict(exclude={"raw_representation"}),
            use=self._use(prompt, completion, self._cost(prompt, completion)),
        )
        # Kept before the budget is booked: a process that dies in between asks nothing twice.
        await self.conversation.keep(request.digest, kept)
        self._open.remove(request)
        self._book(request, prompt, completion, is_answer=True)

    def _book(self, request: _Request, prompt: int, completion: int, *, is_answer: bool) -> None:
        self.seconds += time.perf_counter() - request.began
        self.answered += is_answer
        cost = self._count(prompt, completion)
        used = self._use(prompt, completion, cost)
        self.conversation.settle(request.most_tokens, request.most_cost, used)

    def _count(self, prompt: int, completion: int) -> Decimal | None:
        cost = self._cost(prompt, completion)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        self.cost = total_cost((self.cost, cost))
        return cost

    def _cost(self, prompt: int, completion: int) -> Decimal | None:
        return self.model.prices.cost(self.model.name, prompt, completion)

    def _use(self, prompt: int, completion: int, cost: Decimal | None) -> ModelUse:
        return ModelUse(
            model=self.model.name,
            prompt=self.prompt,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost_usd=cost,
        )

    def _request(self, context: ChatContext) -> _Request:
        said = [_said(message) for message in context.messages]
        options = context.options or {}
        body = {
            "model": self.model.name,
            "prompt": self.prompt,
            "instructions": str(options.get("instructions", "")),
            "form": _schema(options.get("response_format")),
            "tools": sorted(str(getattr(tool, "name", "")) for tool in options.get("tools") or ()),
            "messages": said,
        }
        prompt, completion = _estimate(str(body)), self.model.access.max_tokens
        return _Request(
            digest=sha256_of(body),
            prompt_tokens=prompt,
            most_tokens=prompt + completion,
            most_cost=self._cost(prompt, completion),
            began=time.perf_counter(),
        )


@dataclass(frozen=True)
class _Request:
    digest: str
    prompt_tokens: int
    """Estimated."""
    most_tokens: int
    most_cost: Decimal | None
    began: float


def _counted(told: Any, estimate: int) -> int:
    """The tokens that a server has counted; the estimate for a count that cannot be one."""
    return told if type(told) is int and 0 < told <= _MOST_TOKENS else estimate


def _estimate(text: str) -> int:
    return len(text) // _CHARACTERS_PER_TOKEN + 1


def _schema(form: Any) -> Any:
    return form.model_json_schema() if hasattr(form, "model_json_schema") else str(form)


def _said(message: Any) -> dict[str, Any]:
    """A message without the ids that the framework draws at random."""
    names = ("type", "text", "name", "arguments", "call_id", "result")
    return {
        "role": str(message.role),
        "contents": [
            {name: str(value) for name in names if (value := getattr(part, name, None)) is not None}
            for part in message.contents
        ],
    }


def _replayed(kept: KeptReply) -> Any:
    """A kept reply as the framework would get it from the model."""
    from agent_framework import ChatResponse, ChatResponseUpdate, ResponseStream, Role

    reply = ChatResponse.from_dict(kept.reply)

    async def updates() -> Any:
        for message in reply.messages:
            yield ChatResponseUpdate(
                contents=message.contents,
                role=Role(message.role),
                message_id=message.message_id,
                response_id=reply.response_id,
                model=reply.model,
                finish_reason=reply.finish_reason,
            )

    def whole(parts: Iterable[Any]) -> Any:
        return ChatResponse.from_updates(list(parts))

    return ResponseStream(updates(), finalizer=whole)
