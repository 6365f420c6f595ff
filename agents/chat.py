"""A chat model behind Microsoft Agent Framework: OpenAI, Azure OpenAI, or a server that is like it.

The packages come with the extra `chat`, and they are imported when the first model is made. The
SDK below the framework retries 429 and 5xx with backoff, and honours `Retry-After`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from data.contracts.base import Contract
from data.contracts.errors import AgentError, CreditDeskError
from data.contracts.wording import ModelPrices

if TYPE_CHECKING:
    from agent_framework import ChatMiddleware
    from openai import AsyncOpenAI


_CHARACTERS_PER_TOKEN = 20
"""More than any model writes: a longer reply is none that the limit of tokens allows."""


class ModelUnavailableError(AgentError):
    """The model gave no reply after all retries. Its own error text is not repeated."""

    code = "model_unavailable"


@dataclass(frozen=True)
class ChatAccess:
    """How to reach a chat model, and how long to wait for it."""

    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    azure_endpoint: str = ""
    azure_api_version: str = "2024-10-21"
    request_seconds: float = 15.0
    retries: int = 3
    patience_seconds: float = 20.0
    """A server that asks for a longer pause (`Retry-After`) is not asked again."""
    max_tokens: int = 800
    trace_content: bool = False


@dataclass(frozen=True)
class Turn:
    """One message of an exchange: of the desk (`user`) or of the model (`assistant`)."""

    role: str
    text: str


class ChatModel:
    """Answers by one model."""

    def __init__(self, access: ChatAccess, prices: ModelPrices) -> None:
        self.access = access
        self.prices = prices
        self._client = _client(access)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.access.model

    @property
    def provider(self) -> str:
        """`azure.ai.openai` or `openai`, as the conventions call them; the latter for all that
        speak its protocol."""
        return "azure.ai.openai" if self.access.azure_endpoint else "openai"

    async def stream(
        self,
        instructions: str,
        turns: Sequence[Turn],
        form: type[Contract],
        tools: Mapping[str, Callable[[], str]],
        middleware: ChatMiddleware,
    ) -> AsyncGenerator[str, None]:
        """The pieces of an answer in the given form, as the model writes them.

        Tools that the model asks for are used on the way. Raises what `middleware` raises, and
        ModelUnavailableError.
        """
        from agent_framework import Message, RawAgent

        agent = RawAgent(
            self._chat_client(middleware),
            instructions,
            tools=[_function_tool(name, call) for name, call in tools.items()] or None,
        )
        messages = [Message(turn.role, [turn.text]) for turn in turns]
        options: Any = {"response_format": form, "max_tokens": self.access.max_tokens}
        updates = agent.run(messages, stream=True, options=options)
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        longest = self.access.max_tokens * _CHARACTERS_PER_TOKEN
        # A task of its own: its cancellation closes the response when the caller breaks off. The
        # framework leaves it open until it is collected, and the provider writes on and bills it.
        writing = asyncio.create_task(_pass_on(updates, pieces, longest))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await writing
        except CreditDeskError:
            raise
        except Exception as error:
            # Also what the framework trips over in a reply that no model should give.
            raise ModelUnavailableError(f"the chat model failed: {_kind_of(error)}") from None
        finally:
            writing.cancel()
            await asyncio.wait([writing])

    def _chat_client(self, middleware: ChatMiddleware) -> Any:
        from agent_framework_openai import OpenAIChatCompletionClient

        return OpenAIChatCompletionClient(
            self.access.model,
            async_client=self._client,
            middleware=[middleware],
            function_invocation_configuration={
                "max_iterations": 4,
                "max_function_calls": 8,
                "max_consecutive_errors_per_request": 2,
            },
        )


async def _pass_on(updates: Any, pieces: asyncio.Queue[str | None], longest: int) -> None:
    """Put the text of each update into the queue, and None at the end, however it ends.

    A reply that grows far beyond its limit of tokens is broken off before the desk keeps it.
    """
    written = 0
    try:
        async for update in updates:
            written += sum(map(_length, update.contents))
            if written > longest:
                await updates.close()
                raise ModelUnavailableError("the chat model wrote more than it was asked for")
            pieces.put_nowait(update.text)
        await updates.get_final_response()
    finally:
        pieces.put_nowait(None)


def _length(content: Any) -> int:
    """The characters of a text, or of the arguments of a call."""
    written = (getattr(content, "text", None), getattr(content, "arguments", None))
    return sum(len(str(part)) for part in written if part)


def _client(access: ChatAccess) -> AsyncOpenAI:
    from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient

    hooks: Any = {"response": [_gives_up_after(access.patience_seconds)]}
    limits: dict[str, Any] = {
        "timeout": access.request_seconds,
        "max_retries": access.retries,
        # A redirect would take the request to a server that no setting names.
        "http_client": DefaultAsyncHttpxClient(event_hooks=hooks, follow_redirects=False),
        # A process keeps its model over many event loops, and a connection belongs to one: none
        # is kept for the next request.
        "default_headers": {"Connection": "close"},
    }
    # A local server wants no key, and the SDK would look for one in the environment.
    key = access.api_key or "none"
    client: AsyncOpenAI
    if access.azure_endpoint:
        client = AsyncAzureOpenAI(
            azure_endpoint=access.azure_endpoint,
            api_version=access.azure_api_version,
            api_key=key,
            **limits,
        )
        # A token of the environment would be sent in the place of the key.
        client._azure_ad_token = None
    else:
        url = access.base_url or "https://api.openai.com/v1"
        client = AsyncOpenAI(base_url=url, api_key=key, **limits)
    # The SDK takes these from the environment, which may be about another program.
    client.organization = client.project = None
    return client


def _gives_up_after(seconds: float) -> Callable[[Any], Awaitable[None]]:
    """Refuse to wait longer than a text may take: the SDK would sleep through the agent's time.

    The SDK obeys the header `x-should-retry`. A date in `Retry-After` is left to it.
    """

    async def look(response: Any) -> None:
        try:
            pause = float(response.headers.get("retry-after", "0"))
        except ValueError:
            return
        if pause >= seconds:
            response.headers["x-should-retry"] = "false"

    return look


def _function_tool(name: str, call: Callable[[], str]) -> Any:
    from agent_framework import FunctionTool

    def use() -> str:
        return call()

    return FunctionTool(name=name, description=name.replace("_", " "), func=use)


def _kind_of(error: BaseException) -> str:
    """The type of the innermost error: texts of a provider may repeat the request."""
    inner: BaseException | None = error
    while inner is not None:
        error, inner = inner, inner.__cause__
    return type(error).__name__


@cache
def instrumented(trace_content: bool) -> None:
    """Let the framework open its spans, with the content of messages only when that is wanted.

    The variable ENABLE_SENSITIVE_DATA of the environment has no say in it.
    """
    from agent_framework.observability import enable_instrumentation

    enable_instrumentation(enable_sensitive_data=trace_content)
