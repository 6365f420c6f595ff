"""What a language model may ask the desk: tools that only read.

Each tool asks one route of the API as its caller. So the route decides what the caller may see, and
masks personal data as it does for every other client.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.cli.client import DeskClient
from data.contracts.base import Contract, Slug
from data.contracts.errors import RecordNotFoundError
from data.contracts.review import Role
from data.contracts.runs import RunStatus

RunId = Annotated[UUID, Field(description="The run's id; `list_runs` and `read_inbox` give ids.")]
Limit = Annotated[int, Field(ge=1, le=200, description="How many items at most.")]
Cursor = Annotated[
    str | None, Field(max_length=200, description="The `next_cursor` of the page before.")
]


class ListRuns(Contract):
    status: RunStatus | None = None
    application_id: Annotated[str | None, Field(max_length=64)] = None
    limit: Limit = 20
    cursor: Cursor = None


class OneRun(Contract):
    run_id: RunId


class ExplainRule(OneRun):
    rule_id: Annotated[
        Slug | None, Field(description="One rule; without it, every rule that was hit.")
    ] = None


class ReadGraph(Contract):
    run_id: Annotated[
        UUID | None, Field(description="Show the state of each node in this run.")
    ] = None
    form: Literal["json", "dot", "svg"] = "json"


class ReadInbox(Contract):
    role: Annotated[Role | None, Field(description="Only requests to this role.")] = None
    limit: Limit = 20
    cursor: Cursor = None


@dataclass(frozen=True)
class Tool:
    """A tool by name: what it takes, and how the desk is asked."""

    name: str
    title: str
    description: str
    takes: type[Contract]
    answer: Callable[[DeskClient, Any], Awaitable[dict[str, Any] | str]]
    """Gives an object, or the text of a drawing. Raises as the calls of the client do."""


async def _list_runs(desk: DeskClient, asked: ListRuns) -> dict[str, Any]:
    return dict(await desk.get("/runs", **asked.model_dump(mode="json")))


async def _read_run(desk: DeskClient, asked: OneRun) -> dict[str, Any]:
    return dict(await desk.get(f"/runs/{asked.run_id}"))


async def _read_decision(desk: DeskClient, asked: OneRun) -> dict[str, Any]:
    return dict(await desk.get(f"/runs/{asked.run_id}/decision"))


async def _explain_rule(desk: DeskClient, asked: ExplainRule) -> dict[str, Any]:
    explained = await desk.get(f"/runs/{asked.run_id}/policy")
    rules = [
        rule
        for rule in explained["rules"]
        if (rule["rule_id"] == asked.rule_id if asked.rule_id else rule["status"] == "hit")
    ]
    if asked.rule_id and not rules:
        raise RecordNotFoundError("the policy of this run has no such rule")
    return {**explained, "rules": rules}


async def _read_graph(desk: DeskClient, asked: ReadGraph) -> dict[str, Any] | str:
    run_id = str(asked.run_id) if asked.run_id else None
    drawn = await desk.text(f"/workflow/graph.{asked.form}", run_id=run_id)
    return dict(json.loads(drawn)) if asked.form == "json" else drawn


async def _read_inbox(desk: DeskClient, asked: ReadInbox) -> dict[str, Any]:
    return dict(await desk.get("/inbox", **asked.model_dump(mode="json")))


TOOLS = (
    Tool(
        "list_runs",
        "Runs",
        "Runs, newest first: one run underwrites one application. Filter by status or application.",
        ListRuns,
        _list_runs,
    ),
    Tool(
        "read_run",
        "One run",
        "The status of a run, its progress, what it waits for, its recommendation and outcome.",
        OneRun,
        _read_run,
    ),
    Tool(
        "read_decision",
        "The decision of a run",
        "The decision in full: outcome, reasons, offer, conditions, the rulings of people, and the"
        " versions it was decided by. There is none while the case is undecided.",
        OneRun,
        _read_decision,
    ),
    Tool(
        "explain_rule",
        "What the policy said about a run",
        "What a rule of the credit policy said about a run: its condition, whether it was hit, its"
        " outcome, its reason, and the facts that it used. A fact without a value is not known.",
        ExplainRule,
        _explain_rule,
    ),
    Tool(
        "read_graph",
        "The map of the workflow",
        "The stages, gates and ways between them, as JSON, DOT or SVG; with a run, its states.",
        ReadGraph,
        _read_graph,
    ),
    Tool(
        "read_inbox",
        "Requests to people",
        "The requests that wait for a person's answer, the most urgent first.",
        ReadInbox,
        _read_inbox,
    ),
)
