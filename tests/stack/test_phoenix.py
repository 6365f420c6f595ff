"""The trace of a run as another program draws it: Arize Phoenix, started as the backend."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from data.contracts.runs import RunStatus
from tests.desk import Desk, StartedRun, desk_in
from tests.flows.portfolio.portfolios import cases, write_portfolio
from tests.flows.test_batch import batch_of, until
from tests.flows.test_batch_traces import asked_run
from tests.stack import phoenix
from tests.stack.phoenix import Phoenix, PhoenixSpan

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]
ARRIVAL_SECONDS = 60.0
LAST = "invoke_agent underwriter.decision"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    folder = tmp_path_factory.mktemp("phoenix")
    with phoenix.running(phoenix.program(folder / "venv"), folder / "home") as started:
        yield started


@pytest.fixture(scope="module")
async def traced_desk(
    tmp_path_factory: pytest.TempPathFactory, backend: Phoenix
) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("traced-desk")
    async with desk_in(folder, OTEL_EXPORTER_OTLP_ENDPOINT=backend.url) as desk:
        yield desk


def path(span: PhoenixSpan, spans: list[PhoenixSpan]) -> list[str]:
    """The names from the root of the trace down to a span."""
    by_id = {known.span_id: known for known in spans}
    names = [span.name]
    while span.parent_id is not None:
        span = by_id[span.parent_id]
        names.append(span.name)
    return names[::-1]


async def whole_trace(backend: Phoenix, run: StartedRun) -> list[PhoenixSpan]:
    """The spans of an ended run, once none is missing between any of them and the root."""
    await run.until(RunStatus.COMPLETED)
    return await tree_of(backend, (await run.summary()).trace_id, LAST)


async def tree_of(backend: Phoenix, trace_id: str, last: str) -> list[PhoenixSpan]:
    """The spans of a trace, once this one is there and every span has its parent."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        spans = await asyncio.to_thread(backend.trace, trace_id)
        known = {span.span_id for span in spans} | {None}
        orphans = sorted(span.name for span in spans if span.parent_id not in known)
        if last in {span.name for span in spans} and not orphans:
            return spans
        assert time.monotonic() < deadline, f"{len(spans)} spans, without a parent: {orphans}"
        await asyncio.sleep(1)


async def test_phoenix_draws_a_run_as_one_tree_of_agents_and_tools(
    traced_desk: Desk, backend: Phoenix
) -> None:
    run = await traced_desk.start("ada-prime")
    spans = await whole_trace(backend, run)

    assert [span.name for span in spans if span.parent_id is None] == ["POST /runs"]
    (tool,) = [span for span in spans if span.name == "execute_tool screen_watchlists"]
    steps = path(tool, spans)
    assert steps[:3] == ["POST /runs", "invoke_workflow underwrite", "stage verification"]
    assert steps[-3:] == ["agent kyc", "invoke_agent kyc", "execute_tool screen_watchlists"]
    kinds = {span.name: span.kind for span in spans}
    assert {kinds[name] for name in kinds if name.startswith("invoke_agent ")} == {"AGENT"}
    assert {kinds[name] for name in kinds if name.startswith("execute_tool ")} == {"TOOL"}


async def test_phoenix_draws_the_wait_for_a_person_once_in_the_tree_of_a_run_over_two_workers(
    traced_desk: Desk, backend: Phoenix
) -> None:
    run = await traced_desk.start("bora-borderline")
    await run.until(RunStatus.WAITING)
    await asyncio.sleep(1.5)  # the spans up to the gate are sent
    await traced_desk.kill("worker")
    await run.answer(decision="approve")
    spans = await whole_trace(backend, run)
    names = Counter(span.name for span in spans)
    (wait,) = [span for span in spans if span.name.startswith("hitl_wait")]
    (decision,) = [span for span in spans if span.name == LAST]

    assert path(wait, spans)[0] == path(decision, spans)[0] == "POST /runs"
    assert (names["invoke_agent kyc"], names["invoke_workflow underwrite"]) == (1, 2)
    assert decision.attributes["gen_ai.agent.name"] == "underwriter.decision"
    assert decision.attributes["genai.agent"] == "underwriter.decision"


async def test_phoenix_draws_a_batch_as_one_tree_and_its_referred_case_as_another(
    traced_desk: Desk, backend: Phoenix, tmp_path: Path
) -> None:
    file = write_portfolio(tmp_path / "p.jsonl", cases("phoenix", "ada-prime", "bora-borderline"))
    batch_id = (await batch_of(traced_desk, file))["batch_id"]
    run = await asked_run(traced_desk, batch_id)
    await run.answer(decision="approve")
    case = await whole_trace(backend, run)
    batch = await until(traced_desk, batch_id, "completed")

    spans = await tree_of(backend, batch["trace_id"], "batch")

    assert [span.name for span in spans if span.parent_id is None] == ["POST /batches"]
    assert [span.name for span in case if span.parent_id is None] == ["open review"]
    (chunk,) = [span for span in spans if span.name == "chunk"]
    assert path(chunk, spans) == ["POST /batches", "batch", "chunk"]
    (referral,) = [span for span in spans if span.name == "refer case"]
    assert path(referral, spans) == ["POST /batches", "refer case"]
