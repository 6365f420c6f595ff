"""Stored decisions for a what-if: of the runs that a query selects, or of the rows of a batch.

They are handed out in portions, which name their cases and do not hold them: a process reads the
cases of its portion from the ledger, or a batch's rows from its portfolio.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import Field, ValidationError

from data.contracts.application import Product
from data.contracts.base import Contract, Day
from data.contracts.batch import LineStatus
from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent, Grade, Outcome
from data.contracts.errors import (
    ContractViolationError,
    RecordErasedError,
    RecordNotFoundError,
)
from data.contracts.portfolio import PortfolioChunk, PortfolioRow
from data.contracts.runs import RunOptions
from data.contracts.scorecard import Ensemble
from data.contracts.what_if import Judged, Verdict
from data.settings import Settings
from flows.case import case_in_run, overrides_of
from flows.judging import judged
from flows.portfolio.inbox import digest_of
from flows.rulebook import rulebook_of
from flows.runtime.ledger import applications, batches, chunks, decisions, runs
from flows.runtime.ledger.batches import Batch
from tools.portfolio.reader import read_chunk

PORTION = 250


class RunQuery(Contract):
    """Which decided runs a what-if is about; without any condition, all of them."""

    since: Day | None = None
    until: Day | None = None
    """The first day after the period, by the day of the decision (UTC)."""
    outcome: Outcome | None = None
    grade: Grade | None = None
    product: Product | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    """The newest decisions first."""

    @classmethod
    def read(cls, text: str) -> RunQuery:
        """Read `all`, or conditions such as `since=2026-11-01,outcome=approve`.

        Raises ContractViolationError that names the condition.
        """
        pairs = [] if text == "all" else [pair.partition("=") for pair in text.split(",")]
        if any(not sign for _, sign, _ in pairs):
            known = ", ".join(cls.model_fields)
            raise ContractViolationError(f"--runs takes all, or NAME=VALUE with {known}")
        given: dict[str, Any] = {name.strip(): value.strip() for name, _, value in pairs}
        if str(given.get("limit", "")).isdecimal():
            given["limit"] = int(given["limit"])
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ContractViolationError.of("--runs", error) from None


@dataclass(frozen=True)
class RunPortion:
    """Some decided runs."""

    run_ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.run_ids)


@dataclass(frozen=True)
class RowPortion:
    """One chunk of a batch, with the place of its portfolio."""

    batch_id: str
    path: str
    chunk: dict[str, Any]

    def __len__(self) -> int:
        rows: int = self.chunk["rows"]
        return rows


Portion = RunPortion | RowPortion


@dataclass(frozen=True)
class StoredCase:
    """An application with its stored decision, and what it was decided by."""

    application_id: str
    case: CaseFile
    options: RunOptions
    pinned: str
    judged: Judged


@dataclass
class Stored:
    """The cases of a portion, and how many of its rows are none, by the reason."""

    cases: list[StoredCase] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def earliest(self) -> date:
        """The first of the days that the cases are decided as of."""
        return min((one.case.application.as_of_date for one in self.cases), default=date.max)


def run_portions(connection: sa.Connection, query: RunQuery) -> list[RunPortion]:
    """The decided runs that a query selects. Forks that decided nothing are not among them."""
    asked = query.model_dump(mode="json", exclude_none=True)
    found = decisions.decided_runs(connection, **asked)
    return [
        RunPortion(tuple(found[first : first + PORTION])) for first in range(0, len(found), PORTION)
    ]


def row_portions(
    connection: sa.Connection, settings: Settings, batch_id: str, portfolio: Path | None
) -> list[RowPortion]:
    """The finished chunks of a batch, which its id or the beginning of it names.

    The ledger keeps no application that a batch decided, so its portfolio is read again. Raises
    RecordNotFoundError when the portfolio is not where the batch or the inbox left it, and
    ContractViolationError for a file with another content.
    """
    batch = batches.beginning(connection, batch_id)
    batch_id = batch.batch_id
    path = portfolio or _portfolio_of(settings, batch)
    if not path.is_file():
        raise RecordNotFoundError(
            f"the portfolio of batch {batch_id} is not there any more: name it with --portfolio"
        )
    if digest_of(path) != batch.sha256:
        raise ContractViolationError(f"{path.name} is not the portfolio of batch {batch_id}")
    done = chunks.finished(connection, batch_id)
    plan = batches.plan(connection, batch_id)
    return [RowPortion(batch_id, str(path), chunk) for chunk in plan if chunk["number"] in done]


def _portfolio_of(settings: Settings, batch: Batch) -> Path:
    """Where the file lies now: the inbox moves what is done."""
    path = Path(batch.path)
    moved = settings.inbox / "done" / f"{path.stem[:80]}-{batch.batch_id[:8]}" / path.name
    return moved if not path.is_file() and moved.is_file() else path


def read_portion(connection: sa.Connection, portion: Portion) -> Stored:
    """The cases of a portion, each with its stored decision."""
    stored = Stored()
    if isinstance(portion, RunPortion):
        _read_runs(connection, portion, stored)
    else:
        _read_rows(connection, portion, stored)
    return stored


def _read_runs(connection: sa.Connection, portion: RunPortion, stored: Stored) -> None:
    found = runs.find_all(connection, portion.run_ids)
    bodies = decisions.of_runs(connection, list(portion.run_ids))
    for run_id in portion.run_ids:
        run, body = found[run_id], bodies[run_id]
        content = DecisionContent.model_validate_json(
            json.dumps({name: body[name] for name in body if name != "content_sha256"})
        )
        if "pinned" not in run.versions:
            stored.left_out["without a rulebook"] += 1
            continue
        try:
            filed = applications.filed(connection, run.application_id)
        except RecordErasedError:
            stored.left_out["erased"] += 1
            continue
        options = RunOptions.model_validate(run.options)
        stored.cases.append(
            StoredCase(
                run.application_id,
                case_in_run(filed, options, overrides_of(run)),
                RunOptions(fan_out_policy=options.fan_out_policy),
                run.versions["pinned"],
                judged(content, _ensemble(connection, run.versions["pinned"])),
            )
        )


def _read_rows(connection: sa.Connection, portion: RowPortion, stored: Stored) -> None:
    batch = batches.find(connection, portion.batch_id)
    place = PortfolioChunk.model_validate(portion.chunk)
    parsed = map(json.loads, chunks.lines(connection, portion.batch_id, place.number))
    lines = {line["application_id"]: line for line in parsed}
    options = RunOptions.model_validate(batch.options)
    ensemble = _ensemble(connection, batch.pinned)
    for row in read_chunk(Path(portion.path), place):
        if not isinstance(row, PortfolioRow):
            stored.left_out["rejected"] += 1
            continue
        line = lines[row.case.application.application_id]
        if (before := _judged_line(line, ensemble)) is None:
            stored.left_out[line["status"]] += 1
            continue
        stored.cases.append(
            StoredCase(
                line["application_id"],
                case_in_run(row.case, options, {}),
                RunOptions(fan_out_policy=options.fan_out_policy),
                batch.pinned,
                before,
            )
        )


def _judged_line(line: dict[str, Any], ensemble: Ensemble) -> Judged | None:
    """A line of a batch; None when the batch did not decide it."""
    match LineStatus(line["status"]):
        case LineStatus.DECIDED:
            content = DecisionContent.model_validate_json(json.dumps(line["content"]))
            return judged(content, ensemble)
        case LineStatus.REFERRED:
            is_incomplete = line["gate"] == "documents"
            return Judged(verdict=Verdict.INCOMPLETE if is_incomplete else Verdict.REFER)
        case LineStatus.FAILED:
            return Judged(verdict=Verdict.FAILED, reasons=(line["error"]["code"],))
    return None


def _ensemble(connection: sa.Connection, digest: str) -> Ensemble:
    return rulebook_of(connection, digest).ensemble
