"""The desk's spans: how one is opened, how an error is told in it, and how a caller does without.

A batch takes thousands of applications through the same agents and tools. Sixty spans for each of
them would cost more than the work and drown the trace of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, StatusCode, Tracer, get_current_span

from data import traces
from data.contracts.errors import CreditDeskError

E = TypeVar("E", bound=Exception)
Attributes = Mapping[str, str | int | float | bool]

_is_traced: ContextVar[bool] = ContextVar("is_traced", default=True)


@contextmanager
def untraced() -> Iterator[None]:
    """Open no spans inside the block, and none in the tasks that it starts."""
    token = _is_traced.set(False)
    try:
        yield
    finally:
        _is_traced.reset(token)


def current_span(
    tracer: Tracer,
    name: str,
    attributes: Callable[[], Attributes] = dict,
    within: Context | None = None,
) -> AbstractContextManager[Span]:
    """A span that is the current one inside the block; `within` the current one, or another.

    Its attributes are made when it is opened, and only then: samplers read them. An error that
    leaves the block ends the span with the error's code; the innermost span also has the event.
    """
    if not _is_traced.get():
        return nullcontext(INVALID_SPAN)
    return _open(tracer, name, attributes(), within)


def note_failure(code: str, text: str) -> None:
    """Let the current span end with an error that was written down, and is not raised."""
    span = get_current_span()
    span.set_attribute(traces.ERROR_TYPE, code)
    span.set_status(StatusCode.ERROR, text)


def already_told(error: E) -> E:
    """The error, marked as one that an inner span has told of: it sums up others, say."""
    vars(error)[_TOLD] = True
    return error


_TOLD = "_told_in_a_span"


@contextmanager
def _open(
    tracer: Tracer, name: str, attributes: Attributes, within: Context | None
) -> Iterator[Span]:
    with tracer.start_as_current_span(
        name,
        within,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            _fail(span, error)
            raise
        except BaseException:  # cancelled, or a suspension on its way out
            if traces.OUTCOME not in (getattr(span, "attributes", None) or {}):
                span.set_attribute(traces.OUTCOME, traces.INTERRUPTED)
            raise


def _fail(span: Span, error: Exception) -> None:
    """End a span with an error: type and code, and no text of an error that is not the desk's."""
    kind = type(error).__name__
    code, text = (error.code, str(error)) if isinstance(error, CreditDeskError) else (kind, kind)
    span.set_attribute(traces.ERROR_TYPE, code)
    span.set_status(StatusCode.ERROR, text)
    if _TOLD not in vars(error):
        about = {traces.EXCEPTION_TYPE: kind, traces.ERROR_TYPE: code}
        span.add_event(traces.EXCEPTION, about)
        already_told(error)
