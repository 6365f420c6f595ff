"""The inline path: one application through the root flow, for a batch."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel

import agents.base
import tools.base
from data.contracts import base
from data.contracts.base import canonical_json
from data.contracts.case import CaseFile
from data.contracts.errors import ToolUnavailableError
from data.contracts.runs import RunOptions
from data.contracts.screening import WATCHLIST_RECORD
from data.contracts.underwriting import Underwriting
from data.settings import FanOutPolicy, settings
from flows.agent_registry import AgentRegistry, use_agents
from flows.inline import Decided, Underwritten, WaitsAtGate, underwrite_inline
from flows.rulebook import current_rulebook
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.execution import ask, context, fan_out, stage
from flows.runtime.execution.context import AgentPolicy, RunContext, in_run
from flows.runtime.execution.executor import InlineExecutor
from flows.runtime.execution.surroundings import OpenRun
from flows.underwriting import decide
from flows.workflow import WORKFLOW
from tests.flows.inline import QUICK, Says, Script, Step, WatchedRecord, persona, underwritten
from tools.case_files import case_ids

BOOK = current_rulebook(settings().data_dir)
PERSONAS = case_ids(settings().data_dir)
APPROVES = Says("underwriter", "approve")
CLEARS = Says("compliance", "clear")


async def inline(case: CaseFile, **options: Any) -> Underwritten:
    return await underwrite_inline(case, BOOK, **options)


async def gone_on_from(saved: Checkpoint, case: CaseFile, *steps: Step) -> WatchedRecord:
    """Another execution that starts where a checkpoint was saved."""
    record = WatchedRecord()
    run = RunContext(
        WORKFLOW,
        saved.run_id,
        Underwriting(),
        record=record,
        executor=InlineExecutor(),
        gatekeeper=Script(steps, lambda _: None),
        agent_policy=AgentPolicy(),
    )
    checkpoints.require_usable(saved, WORKFLOW, Underwriting)
    run.restore(saved)
    with in_run(run), use_agents(AgentRegistry.with_rulebook(BOOK, settings().data_dir)):
        await decide(OpenRun(run, case, BOOK, RunOptions()))
    return record


@pytest.mark.parametrize("name", PERSONAS)
async def test_the_inline_path_ends_where_the_root_flow_ends(name: str) -> None:
    case = persona(name).case

    ended, done = await inline(case), await underwritten(case)

    match ended:
        case Decided():
            assert canonical_json(ended.content) == canonical_json(done.content)
        case WaitsAtGate():
            assert (ended.gate, ended.request) == done.script.asked[-1]
            assert ended.checkpoint == done.record.last_checkpoint


@pytest.mark.parametrize(
    ("name", "answer", "asked"),
    [
        ("bora-borderline", APPROVES, {"underwriter.pricing", "underwriter.decision"}),
        ("pat-potential", CLEARS, {"underwriter.pricing", "underwriter.decision"}),
    ],
)
async def test_an_individual_run_goes_on_from_the_checkpoint_at_its_gate(
    name: str, answer: Says, asked: set[str]
) -> None:
    case = persona(name).case
    straight = await underwritten(case, answer)
    ended = await inline(case, run_id="run-7")
    assert isinstance(ended, WaitsAtGate)
    saved = Checkpoint.model_validate_json(ended.checkpoint.model_dump_json())

    record = await gone_on_from(saved, case, answer)

    assert (saved.run_id, saved.label) == ("run-7", "policy")
    assert {draft.meta["agent"] for draft in record.drafts if "agent" in draft.meta} == asked
    assert record.decision == straight.content


async def test_the_screening_is_beside_a_checkpoint_and_not_in_it() -> None:
    ended = await inline(persona("pat-potential").case)

    assert isinstance(ended, WaitsAtGate)
    candidates = ended.restricted[WATCHLIST_RECORD]["candidates"]
    assert [candidate["status"] for candidate in candidates] == ["potential"]
    assert candidates[0]["entry_id"] not in ended.checkpoint.model_dump_json()


async def test_an_error_says_which_stage_and_tool_it_came_from() -> None:
    strict = RunOptions(fan_out_policy=FanOutPolicy.FAIL_FAST)

    with pytest.raises(ToolUnavailableError) as failed:
        await inline(persona("tim-timeout").case, options=strict, agent_policy=QUICK)

    assert (failed.value.stage, failed.value.agent) == ("bureau", "credit_risk.bureau")
    assert failed.value.tool == "fetch_bureau_report"


async def test_many_applications_at_once_in_loops_of_several_threads_do_not_mix() -> None:
    cases = [persona(name).case.renamed(f"copy-{n}-{name}") for n in (1, 2) for name in PERSONAS]

    async def together() -> list[Underwritten]:
        return await asyncio.gather(*(inline(case) for case in cases))

    with ThreadPoolExecutor(3) as threads:
        loops = [threads.submit(asyncio.run, together()) for _ in range(3)]
        apart = [await inline(case) for case in cases]

        for loop in loops:
            assert loop.result() == apart


async def test_applications_are_judged_by_the_rulebook_that_was_passed() -> None:
    shorter = BOOK.policy.model_copy(update={"rules": BOOK.policy.rules[1:]})
    case = persona("ada-prime").case

    today, other = (
        await inline(case),
        await underwrite_inline(case, BOOK.model_copy(update={"policy": shorter})),
    )

    assert isinstance(today, Decided)
    assert isinstance(other, Decided)
    assert today.content.rule_results[1:] == other.content.rule_results
    assert today.content.versions.policy != other.content.versions.policy


async def test_an_application_costs_few_dumps_digests_and_no_round_trip_through_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts instead of times: they are the same on every machine."""
    case = persona("ada-prime").case.renamed("counted")
    await inline(case)  # what is kept by version is there
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(BaseModel, "model_dump")
    count(BaseModel, "model_dump_json")
    count(BaseModel, "model_validate_json")
    count(base, "canonical_json")
    count(context, "json_patch")
    count(RunContext, "draft")
    count(Checkpoint, "__init__")
    count(asyncio, "to_thread")

    ended = await inline(case)

    assert isinstance(ended, Decided)
    assert counted["model_dump"] <= 4, "the inputs to digest them, the screening to keep it"
    assert counted["canonical_json"] <= 1, "the inputs"
    assert counted["draft"] <= 1, "a stage that was skipped"
    assert counted.keys() <= {"model_dump", "canonical_json", "draft"}


async def test_a_gate_makes_one_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    original = Checkpoint.__init__

    def counting(self: Checkpoint, **fields: Any) -> None:
        made.append(fields["label"])
        original(self, **fields)

    monkeypatch.setattr(Checkpoint, "__init__", counting)

    await inline(persona("bora-borderline").case)

    assert made == ["policy"]


@pytest.mark.parametrize("run", [inline, underwritten])
async def test_an_application_of_a_batch_leaves_no_spans(
    run: Callable[[CaseFile], Awaitable[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = persona("ada-prime").case
    provider, exported = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    for module in (agents.base, tools.base, stage, fan_out, ask):
        monkeypatch.setattr(module, "_tracer", provider.get_tracer("test"))

    done = await run(case)
    letters = done.letters() if isinstance(done, Decided) else done.record.letters()

    assert len(letters) == 1
    assert bool(exported.get_finished_spans()) is (run is underwritten)
