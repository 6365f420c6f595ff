"""A large ledger, made in seconds: many ended runs, thousands that wait for a person.

The rows are those of one real borderline case, under other ids. Ended runs hold less than real
ones, so that the file stays below a gigabyte; every list, sweep and look-up has as many rows to
pass over as a desk has after years.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from data.contracts.base import canonical_json, sha256_of
from data.contracts.review import ReviewStatus
from data.contracts.runs import RunStatus
from data.settings import settings
from flows.rulebook import current_rulebook
from flows.runtime.ledger import pinned, tables
from flows.runtime.ledger.database import Ledger
from flows.workflow import WORKFLOW
from tests.flows.inline import Says, Underwritten, persona, underwritten

_BATCH = 5_000
_SHOWN = ("recommendation", "outcome", "principal_reasons", "offer")
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Templates:
    """One case that waits and the same case decided, as JSON that rows are made of."""

    application: bytes
    waiting_state: dict[str, Any]
    decision: dict[str, Any]
    """What lists show of the decision."""
    request: dict[str, Any]
    gate: str
    pinned: str


async def templates(ledger: Ledger) -> Templates:
    """Underwrite the borderline persona once without a ruling and once with one."""
    case = persona("bora-borderline")
    waits: Underwritten = await underwritten(case)
    decided: Underwritten = await underwritten(case, Says("underwriter", "approve"))
    ((gate, request),) = waits.script.asked
    content = decided.content.model_dump(mode="json")
    book = current_rulebook(settings().data_dir)
    return Templates(
        application=zlib.compress(canonical_json(case.case)),
        waiting_state=waits.run.state.model_dump(mode="json"),
        decision={name: content[name] for name in _SHOWN},
        request=request.model_dump(mode="json"),
        gate=gate,
        pinned=await ledger.write(pinned.keep_pinned, book),
    )


async def fill(ledger: Ledger, *, ended: int, waiting: int, events: int = 6) -> None:
    """Write that many ended runs, and that many that wait at a gate, into an empty ledger."""
    template = await templates(ledger)
    for first in range(0, ended + waiting, _BATCH):
        numbers = range(first, min(first + _BATCH, ended + waiting))
        rows = [_rows(template, number, number < ended, events) for number in numbers]

        def write(connection: sa.Connection, rows: list[dict[str, Any]] = rows) -> None:
            for name in rows[0]:
                some = [row for made in rows for row in made[name]]
                if some:
                    connection.execute(tables.metadata.tables[name].insert(), some)

        await ledger.write(write)


def run_ids(first: int, count: int) -> Iterator[str]:
    """The ids of the runs with these numbers."""
    return (_id(number) for number in range(first, first + count))


def _rows(template: Templates, number: int, has_ended: bool, events: int) -> dict[str, Any]:
    run_id, application_id = _id(number), f"bora-{number}"
    at = _stamp(_START + timedelta(minutes=2 * number))
    return {
        "applications": [_application(template, application_id, at)],
        "runs": [_run(template, run_id, application_id, at, has_ended, events)],
        "events": [_event(run_id, n, at) for n in range(1, events + 1)],
        "checkpoints": [_checkpoint(run_id, n, at) for n in range(1, 6)],
        "reviews": [_review(template, run_id, at, has_ended)],
        "decisions": [_decision(template, run_id, application_id, at)] if has_ended else [],
    }


def _application(template: Templates, application_id: str, at: str) -> dict[str, Any]:
    return {
        "application_id": application_id,
        "content_sha256": sha256_of({"id": application_id}),
        "body": template.application,
        "received_at": at,
    }


def _run(
    template: Templates, run_id: str, application_id: str, at: str, has_ended: bool, events: int
) -> dict[str, Any]:
    status = RunStatus.COMPLETED if has_ended else RunStatus.WAITING
    return {
        "run_id": run_id,
        "application_id": application_id,
        "origin": f"application:{application_id}",
        "flow_run_id": run_id,
        "workflow_version": WORKFLOW.version,
        "status": status.value,
        "phase": "decision" if has_ended else "review",
        "progress": 1.0 if has_ended else 0.8,
        "options": {},
        "versions": {"pinned": template.pinned},
        "state": {} if has_ended else template.waiting_state,
        "retry_state": {},
        "created_at": at,
        "updated_at": at,
        "last_event_id": events,
        "traceparent": f"00-{UUID(run_id).hex}-00f067aa0ba902b7-01",
    }


def _event(run_id: str, number: int, at: str) -> dict[str, Any]:
    body = {
        "id": number,
        "run_id": run_id,
        "ts": at,
        "type": "progress",
        "phase": "review",
        "status": "running",
        "message": "One step further",
        "progress": 0.1 * number,
        "step_progress": 0.0,
        "trace_id": UUID(run_id).hex,
        "span_id": "00f067aa0ba902b7",
        "meta": {},
    }
    text = json.dumps(body)
    return {"run_id": run_id, "id": number, "key": f"k{number}", "body": text, "chain": "c" * 64}


def _checkpoint(run_id: str, number: int, at: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "label": f"label-{number}",
        "version": 1,
        "ordinal": number,
        "storage_key": f"checkpoints/{run_id}/label-{number}/v1-1.json",
        "sha256": "a" * 64,
        "bytes": 8_000,
        "schema_version": 1,
        "workflow_version": WORKFLOW.version,
        "saved_at": at,
    }


def _review(template: Templates, run_id: str, at: str, has_ended: bool) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "gate": template.gate,
        "attempt": 1,
        "visit": 1,
        "role": template.request["role"],
        "status": (ReviewStatus.ANSWERED if has_ended else ReviewStatus.OPEN).value,
        "request": {} if has_ended else template.request,
        "opened_at": at,
        "due_at": "2099-01-01T00:00:00.000000Z",
        "answered_at": at if has_ended else None,
        "answer": {} if has_ended else None,
        "delivered": has_ended,
    }


def _decision(template: Templates, run_id: str, application_id: str, at: str) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "application_id": application_id,
        "decision_id": f"decision-{run_id}",
        "content_sha256": "b" * 64,
        "body": template.decision,
        "decided_at": at,
    }


def _id(number: int) -> str:
    return str(UUID(int=(0x0123456789AB4DEF << 64) | (0x8 << 60) | number))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
