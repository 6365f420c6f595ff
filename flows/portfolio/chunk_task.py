"""A chunk of a batch as a Prefect task: tried again after an error, and told in a span."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from data import traces
from flows.portfolio.chunk import underwrite_chunk
from flows.runtime.execution.batch_spans import chunk_span, tell_failures
from flows.runtime.execution.desk import this_desk
from flows.runtime.execution.task_engine import on_a_processor
from flows.runtime.ledger import chunks

RETRIES = 2
RETRY_SECONDS = [1.0, 10.0]


@task(
    name="chunk",
    task_run_name="chunk {chunk[number]}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_SECONDS,
    persist_result=False,
    cache_policy=NO_CACHE,
)
def execute_chunk(batch_id: str, path: str, chunk: Mapping[str, Any], traceparent: str) -> str:
    """One chunk as a task: the place of its rows goes in, a word comes out."""
    with chunk_span(batch_id, traceparent, chunk) as span:
        result = on_a_processor(underwrite_chunk, batch_id, path, chunk)
        span.set_attribute(traces.CHUNK_RESULT, result)
        if span.is_recording() and result == "finished":
            with this_desk().ledger.reading() as connection:
                tell_failures(span, chunks.failures(connection, batch_id, chunk["number"]))
    return result
