"""The base of every tool: a span, a time limit, a record of the call, and one kind of error.

A tool is a plain function, sync or async. The caller of an agent can collect the tool calls with
`recorded_calls`. The tool itself knows nothing about runs.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast
from uuid import uuid4

from opentelemetry import trace

from data import traces
from data.contracts.errors import ToolError, ToolUnavailableError, as_desk_error
from tools.spans import current_span, untraced

P = ParamSpec("P")
R = TypeVar("R")

_tracer = trace.get_tracer("credit_desk.tools")


@dataclass(frozen=True)
class ToolCall:
    """One use of a tool: its duration and its outcome, without its arguments."""

    name: str
    outcome: str
    """`ok`, or the code of the error."""
    latency_ms: float


_calls: ContextVar[list[ToolCall] | None] = ContextVar("tool_calls", default=None)


@contextmanager
def recorded_calls() -> Iterator[list[ToolCall]]:
    """Collect the calls of all tools used inside the block, in the order in which they end."""
    calls: list[ToolCall] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


def untraced_call(use: Callable[[], R]) -> R:
    """Use tools without spans of their own, where the caller has opened one. They are recorded."""
    with untraced():
        return use()


def tool(
    *, name: str | None = None, timeout_seconds: float = 10.0
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a tool: traced, recorded, with errors that name the tool.

    An async tool that takes longer than `timeout_seconds` raises ToolUnavailableError, and the
    caller may try again. A sync tool is a calculation or a look-up in memory and has no limit.
    """

    def decorate(fn: Callable[P, R]) -> Callable[P, R]:
        called = name or fn.__name__

        @functools.wraps(fn)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with _observed(called):
                return fn(*args, **kwargs)

        @functools.wraps(fn)
        async def acall(*args: P.args, **kwargs: P.kwargs) -> Any:
            with _observed(called):
                try:
                    async with asyncio.timeout(timeout_seconds):
                        return await cast(Any, fn(*args, **kwargs))
                except TimeoutError:
                    raise ToolUnavailableError(f"no answer within {timeout_seconds:g} s") from None

        return cast(Callable[P, R], acall) if inspect.iscoroutinefunction(fn) else call

    return decorate


@contextmanager
def _observed(name: str) -> Iterator[None]:
    began, outcome = time.perf_counter(), "ok"
    with current_span(_tracer, f"{traces.EXECUTE_TOOL} {name}", lambda: _attributes(name)):
        try:
            yield
        except Exception as error:
            known = as_desk_error(error, ToolError).attributed(tool=name)
            outcome = known.code
            raise known from None
        finally:
            _record(name, outcome, (time.perf_counter() - began) * 1000)


def _attributes(name: str) -> dict[str, str]:
    return {
        traces.OPERATION: traces.EXECUTE_TOOL,
        traces.TOOL_NAME: name,
        traces.TOOL_TYPE: "function",
        traces.TOOL_CALL_ID: f"call_{uuid4().hex}",
    }


def _record(name: str, outcome: str, latency_ms: float) -> None:
    calls = _calls.get()
    if calls is not None:
        calls.append(ToolCall(name, outcome, round(latency_ms, 3)))
