"""The trace of a batch: one root, a span per chunk, and referred cases in traces of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from data import traces
from data.contracts.events import EventType
from tests.desk import Desk, StartedRun
from tests.flows.portfolio.portfolios import cases, write_portfolio
from tests.flows.test_batch import (
    APPROVED,
    batch_of,
    drivers,
    is_asked,
    lines_of,
    portfolio,
    some_chunks_of,
    until,
)
from tests.otlp import Receiver, SeenSpan


async def tree_of(batch: dict[str, Any], otlp: Receiver, drivers: int = 1) -> list[SeenSpan]:
    return await asyncio.to_thread(
        otlp.whole_tree, batch["trace_id"], drivers, root="POST /batches", execution=traces.BATCH
    )


async def asked_run(desk: Desk, batch_id: str) -> StartedRun:
    """The run of the one case that a batch has referred, once it waits for a person."""
    async with asyncio.timeout(60):
        while True:
            for line in await lines_of(desk, batch_id):
                if (run_id := line.get("run_id")) and await is_asked(desk, run_id):
                    return StartedRun(desk, run_id, line["application_id"])
            await asyncio.sleep(0.2)


async def test_a_batch_is_one_tree_of_chunks_and_a_referred_case_another_linked_both_ways(
    hasty_desk: Desk, otlp: Receiver, tmp_path: Path
) -> None:
    rows = [*cases("tree", "ada-prime", "dee-debtor", "connie-counter"), *cases("t2", "ada-prime")]
    rows += [*cases("t3", "ada-prime"), *cases("tree", "bora-borderline")]
    file = write_portfolio(tmp_path / "tree.jsonl", rows)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]
    run = await asked_run(hasty_desk, batch_id)
    await hasty_desk.http.post(f"{run.url}/hitl", json=APPROVED)
    await run.until(EventType.RUN_COMPLETED)
    batch = await until(hasty_desk, batch_id, "completed")

    spans = await tree_of(batch, otlp)
    trace_id = (await run.summary()).trace_id
    case = await asyncio.to_thread(otlp.whole_tree, trace_id, 2, root="open review")

    (driver,) = [span for span in spans if span.name == traces.BATCH]
    chunks = [span for span in spans if span.parent_id == driver.span_id]
    assert {span.name for span in chunks} == {traces.CHUNK_NAME}
    told = [(span.attributes[traces.CHUNK], span.attributes[traces.CHUNK_ROWS]) for span in chunks]
    assert sorted(told) == [(0, 5), (1, 1)]
    assert {span.attributes[traces.CHUNK_RESULT] for span in chunks} == {"finished"}
    assert {span.attributes[traces.CONVERSATION_ID] for span in spans} == {batch_id}
    assert driver.attributes[traces.RUN_URL] == batch["links"]["self"]
    assert not [span for span in spans if span.error or span.events]
    links = batch["links"]
    assert links["trace"] in links["span"].format(span_id=driver.span_id)
    frames = (await hasty_desk.http.get(f"/batches/{batch_id}/events")).text
    assert f'"span_id":"{driver.span_id}"' in frames

    assert trace_id != batch["trace_id"]
    (referral,) = [span for span in spans if span.name == "refer case"]
    (root,) = [span for span in case if not span.parent_id]
    assert (referral.links, referral.linked_spans) == ((trace_id,), (root.span_id,))
    assert (root.links, root.linked_spans) == ((batch["trace_id"],), (referral.span_id,))
    assert {span.attributes[traces.CONVERSATION_ID] for span in case} == {run.run_id}
    assert {event.span_id for event in await run.events()} <= {span.span_id for span in case}


async def test_a_killed_driver_leaves_a_tree_without_a_hole(
    hasty_desk: Desk, otlp: Receiver, tmp_path: Path
) -> None:
    file = portfolio(tmp_path, "hole", 40)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]
    await some_chunks_of(hasty_desk, batch_id)

    for process in drivers(hasty_desk):
        process.kill()
    batch = await until(hasty_desk, batch_id, "completed")

    spans = await tree_of(batch, otlp, drivers=2)
    lost, ended = sorted(
        (span for span in spans if span.name == traces.BATCH), key=lambda span: span.began
    )
    assert lost.attributes[traces.LOST] is True
    assert traces.LOST not in ended.attributes
    assert lost.ended <= ended.ended
    below = [span for span in spans if span.parent_id == ended.span_id]
    found = {span.attributes[traces.CHUNK] for span in below}
    assert len(found) == batch["chunks"] - batch["taken_over"]
    assert not [span for span in spans if span.name.startswith("GET")], "of the same connection"
    frames = (await hasty_desk.http.get(f"/batches/{batch_id}/events")).text
    assert frames.count("event: run.error") == 1
    assert f'"span_id":"{lost.span_id}"' in frames


async def test_why_a_batch_failed_is_in_the_span_of_its_driver(
    hasty_desk: Desk, otlp: Receiver, tmp_path: Path
) -> None:
    file = write_portfolio(tmp_path / "bad.jsonl", ['{"not": "a case"}'] * 3)
    batch_id = (await batch_of(hasty_desk, file))["batch_id"]

    batch = await until(hasty_desk, batch_id, "failed")

    spans = await tree_of(batch, otlp)
    (driver,) = [span for span in spans if span.name == traces.BATCH]
    assert driver.attributes[traces.ERROR_TYPE] == "no_good_row"
    assert driver.error == "all 3 rows were rejected"
