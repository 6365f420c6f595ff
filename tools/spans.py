"""The desk's spans, and how a caller does without them.

A batch takes thousands of applications through the same agents and tools. Sixty spans for each of
them would cost more than the work and drown the trace of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, Tracer

_is_traced: ContextVar[bool] = ContextVar("is_traced", default=True)


@contextmanager
def untraced() -> Iterator[None]:
    """Open no spans inside the block, and none in the tasks that it starts."""
    token = _is_traced.set(False)
    try:
        yield
    finally:
        _is_traced.reset(token)


def current_span(tracer: Tracer, name: str, **how: Any) -> AbstractContextManager[Span]:
    """A span that is the current one inside the block; `how` as `start_as_current_span` has it."""
    if not _is_traced.get():
        return nullcontext(INVALID_SPAN)
    return tracer.start_as_current_span(name, **how)
