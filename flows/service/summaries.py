"""Runs and requests of the ledger in the form that the API shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.base import sha256_of
from data.contracts.errors import ContractViolationError, CreditDeskError, Problem
from data.contracts.events import EventType
from data.contracts.review import Review, Role
from data.contracts.runs import Failure, Lineage, Links, RunStatus, RunSummary, WaitingFor
from data.settings import Settings
from flows.runtime.graph.drawing.drawing import NodeStatus
from flows.runtime.graph.workflow import Kind
from flows.runtime.host.links import run_links, trace_links
from flows.runtime.ledger import decisions, journal, messages, reviews, runs
from flows.runtime.ledger.runs import Run, RunRef
from flows.service.requests import InboxItem, InboxPage
from flows.workflow import WORKFLOW
from tools.policy import load_policy


def summaries(connection: sa.Connection, settings: Settings, page: list[Run]) -> list[RunSummary]:
    """The summaries of runs, with their decisions and open requests."""
    decided = decisions.of_runs(connection, [run.run_id for run in page])
    open_requests = reviews.open_of(connection, [run.run_id for run in page])
    waiting = {review.run_id: review for review in open_requests}
    return [
        _summary(settings, run, decided.get(run.run_id), waiting.get(run.run_id)) for run in page
    ]


def summary(connection: sa.Connection, settings: Settings, run_id: str) -> RunSummary:
    """One run. Raises RecordNotFoundError."""
    (found,) = summaries(connection, settings, [runs.find(connection, run_id)])
    return found.model_copy(update={"model_use": messages.model_use(connection, run_id)})


def inbox(
    connection: sa.Connection,
    settings: Settings,
    *,
    role: Role | None,
    limit: int,
    cursor: str | None,
    snoozed: bool = False,
) -> InboxPage:
    """A page of open requests, the most urgent first; with `snoozed` those that are put aside."""
    after = place_of(cursor)
    found = reviews.page(connection, limit=limit + 1, after=after, role=role, snoozed=snoozed)
    asking = runs.references(connection, [review.run_id for review in found[:limit]])
    more = reviews.place_of(found[limit - 1]) if len(found) > limit else None
    labels = _rule_labels(settings)
    return InboxPage(
        items=tuple(
            _inbox_item(settings, review, asking[review.run_id], labels) for review in found[:limit]
        ),
        next_cursor=cursor_of(*more) if more else None,
    )


def node_statuses(connection: sa.Connection, run_id: str) -> dict[str, NodeStatus]:
    """The status of each node of the map in a run, read from the run's journal."""
    run = runs.find(connection, run_id)
    status = {"start": NodeStatus.DONE}
    for body in journal.read(connection, run_id, limit=10_000):
        status |= _statuses_from(json.loads(body))
    if run.status is RunStatus.COMPLETED:
        status["end"] = NodeStatus.DONE
    if run.status is RunStatus.FAILED:
        status |= {
            node_id: NodeStatus.FAILED
            for node_id, known in status.items()
            if known is NodeStatus.RUNNING
        }
    return status


def cursor_after(run: RunSummary) -> str:
    """The cursor of the page after this run."""
    stamp = run.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return cursor_of(stamp, run.run_id)


def cursor_of(stamp: str, run_id: str) -> str:
    """A place in a list, as clients hand it back."""
    return base64.urlsafe_b64encode(f"{stamp}|{run_id}".encode()).decode()


def place_of(cursor: str | None) -> tuple[str, str] | None:
    """The place that a cursor stands for. Raises ContractViolationError for an invalid cursor."""
    if cursor is None:
        return None
    try:
        stamp, _, run_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
    except ValueError:
        stamp = run_id = ""
    if not run_id:
        problem = Problem("/query/cursor", "invalid_cursor", "use next_cursor of the previous page")
        raise ContractViolationError("the cursor is not valid", [problem])
    return stamp, run_id


def _summary(
    settings: Settings, run: Run, decided: Mapping[str, Any] | None, review: Review | None
) -> RunSummary:
    waits = review is not None and run.status is RunStatus.WAITING
    return RunSummary.model_validate(
        {
            "run_id": run.run_id,
            "application_id": run.application_id,
            "status": run.status,
            "phase": run.phase,
            "progress": run.progress,
            "decision": _decision(run, decided),
            "waiting_for": _waiting_for(review) if review and waits else None,
            "error": Failure.model_validate(run.error) if run.error else None,
            "versions": dict(run.versions),
            "workflow_version": run.workflow_version,
            "lineage": Lineage.model_validate(run.lineage) if run.lineage else None,
            "trace_id": run.trace_id,
            "legal_hold": run.legal_hold,
            "created_at": run.created_at,
            "updated_at": run.updated_at,
            "links": _links(settings, run, decided is not None),
        }
    )


def _waiting_for(review: Review) -> WaitingFor:
    return WaitingFor(
        gate=review.gate,
        role=review.request.role.value,
        title=review.request.title,
        due_at=review.due_at,
    )


def _decision(run: Run, decided: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The policy's recommendation; after the decision also the outcome with its reasons.

    A what-if run has an outcome too. `what_if` says that it decides nothing.
    """
    content = decided or run.state.get("decision")
    if content:
        return {
            "recommendation": content["recommendation"],
            "outcome": content["outcome"],
            "reasons": content["principal_reasons"],
            "offer": content["offer"],
            "content_sha256": content.get("content_sha256") or sha256_of(dict(content)),
            "what_if": bool(run.lineage) and decided is None,
        }
    policy = run.state.get("policy")
    return {"recommendation": policy["recommendation"]} if policy else None


def _links(settings: Settings, run: RunRef, decided: bool) -> Links:
    here = f"{settings.api_url}/runs/{run.run_id}"
    return Links(
        self=here,
        events=f"{here}/events",
        state=f"{here}/state",
        graph=f"{settings.api_url}/workflow/graph.svg?run_id={run.run_id}",
        **trace_links(settings, run.trace_id),
        prefect=run_links(settings, run.run_id, run.flow_run_id)["prefect"],
        decision=f"{here}/decision" if decided else None,
    )


def _rule_labels(settings: Settings) -> dict[str, str]:
    """The rules of today in words. An inbox is shown also while the policy cannot be read."""
    with suppress(CreditDeskError):
        return {rule.id: rule.label for rule in load_policy(settings.data_dir).rules}
    return {}


def _inbox_item(
    settings: Settings, review: Review, run: RunRef, labels: Mapping[str, str]
) -> InboxItem:
    return InboxItem(
        run_id=run.run_id,
        application_id=run.application_id,
        gate=review.gate,
        role=review.request.role,
        title=review.request.title,
        reasons=review.request.reasons,
        reason_labels=tuple(labels.get(reason, reason) for reason in review.request.reasons),
        opened_at=review.opened_at,
        due_at=review.due_at,
        age_seconds=round((datetime.now(UTC) - review.opened_at).total_seconds(), 3),
        claim=review.claim,
        snooze=review.snooze,
        facts=review.request.facts,
        links=_links(settings, run, decided=False),
    )


def _statuses_from(event: Mapping[str, Any]) -> dict[str, NodeStatus]:
    """The node statuses that follow from one event."""
    meta, phase = event["meta"], event["phase"]
    nodes = (
        [node.id for node in WORKFLOW.nodes_of(phase) if node.kind is not Kind.HITL]
        if phase
        else []
    )
    match event["type"]:
        case EventType.STAGE_STARTED:
            return dict.fromkeys(nodes, NodeStatus.RUNNING)
        case EventType.STAGE_COMPLETED:
            return dict.fromkeys(nodes, NodeStatus.DONE)
        case EventType.STAGE_TAKEN_OVER:
            return dict.fromkeys(meta["nodes"], NodeStatus.TAKEN_OVER)
        case EventType.STAGE_SKIPPED:
            return dict.fromkeys(nodes, NodeStatus.SKIPPED)
        case EventType.AGENT_COMPLETED if meta["agent"] in nodes:
            return {meta["agent"]: NodeStatus.DONE}
        case EventType.WAITING:
            return {meta["gate"]: NodeStatus.WAITING}
        case EventType.HITL_RESOLVED:
            return {meta["gate"]: NodeStatus.DONE}
        case _:
            return {}
