"""A batch: many applications of one file, underwritten together, and its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from data.contracts.base import Contract, Moment, Money, Sha256
from data.contracts.decision import Outcome
from data.contracts.errors import Problem
from data.contracts.policy import Recommendation
from data.contracts.runs import Failure, RunOptions, RunStatus

Number = Annotated[int, Field(ge=0)]
Counts = dict[str, Number]


class StartBatch(Contract):
    """Start a batch from a file in the inbox of the desk."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"path": "november.jsonl"}]})

    path: Annotated[str, Field(min_length=1, max_length=300)]
    """The file, relative to the inbox."""
    options: RunOptions = RunOptions()


class LineStatus(StrEnum):
    """What became of an accepted application of a batch."""

    DECIDED = "decided"
    """The batch has decided it, or the run that the batch opened for it."""
    REFERRED = "referred"
    """People have to be asked in a run of its own, which the batch opens."""
    DECIDED_BEFORE = "decided_before"
    """Another run or batch has decided it; this batch leaves that decision alone."""
    IN_ANOTHER_RUN = "in_another_run"
    """A run of its own was under way; that run decides it."""
    FAILED = "failed"
    """The desk could not underwrite it; `error` says why."""


class BatchLine(Contract):
    """What became of one accepted application, as `decisions.jsonl` has it."""

    line: Annotated[int, Field(ge=1)]
    """Its line in the portfolio."""
    application_id: str
    status: LineStatus
    outcome: Outcome | None = None
    """None while people have to rule on it."""
    recommendation: Recommendation | None = None
    gate: str = ""
    """The first gate that asks about a referred application."""
    batch_id: str = ""
    """The batch that decided it."""
    run_id: str = ""
    """The run that decided it, or that people are asked in."""
    decision_id: str = ""
    decided_at: Moment | None = None
    content_sha256: str = ""
    content: dict[str, Any] | None = None
    """The decision: byte for byte the content that a single run of the application comes to."""
    error: Failure | None = None
    chain: str = ""
    """Digest of this line as the batch wrote it, and of the lines before it in its chunk."""


class RejectedLine(Contract):
    """One thing that is wrong with a row, as `rejects.jsonl` has it."""

    line: Annotated[int, Field(ge=1)]
    field: str
    """JSON pointer to the field in the row; empty for the row as a whole."""
    code: str
    message: str
    """Names fields and never repeats a value."""

    @classmethod
    def of(cls, line: int, problem: Problem) -> RejectedLine:
        """A problem of a row."""
        return cls(line=line, field=problem.pointer, code=problem.code, message=problem.message)


class BatchTotals(Contract):
    """The results of a batch, or of a part of it, as counts and sums."""

    rows: Number = 0
    rejected: Number = 0
    statuses: Counts = Field(default_factory=dict)
    """How many accepted applications by `LineStatus`."""
    outcomes: Counts = Field(default_factory=dict)
    recommendations: Counts = Field(default_factory=dict)
    grades: Counts = Field(default_factory=dict)
    reasons: Counts = Field(default_factory=dict)
    """Principal reasons of the decisions, and reasons to refer."""
    reject_codes: Counts = Field(default_factory=dict)
    requested: Money = Decimal(0)
    """What the accepted applications ask for, together."""
    approved: Money = Decimal(0)
    """The offers of the approved ones, together."""
    expected_loss: Money = Decimal(0)
    """Of those offers: probability of default, times loss given default, times amount."""

    @property
    def accepted(self) -> int:
        """The rows that are applications."""
        return self.rows - self.rejected

    @classmethod
    def together(cls, parts: Iterable[BatchTotals]) -> BatchTotals:
        """The totals of several parts."""
        counters: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
        summed: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
        for part in parts:
            for name, counter in counters.items():
                counter.update(getattr(part, name))
            for name in _SUMMED:
                summed[name] += getattr(part, name)
        return cls(**counters, **summed)


_COUNTED = ("statuses", "outcomes", "recommendations", "grades", "reasons", "reject_codes")
_SUMMED = ("rows", "rejected", "requested", "approved", "expected_loss")


class Reviewed(Contract):
    """How far people have come with the referred applications of a batch."""

    pending: Number = 0
    """No run yet: the desk opens a bounded number of them at the same time."""
    open: Number = 0
    ended: Number = 0
    outcomes: Counts = Field(default_factory=dict)


class BatchSummary(Contract):
    """A batch as `GET /batches/{batch_id}` answers it."""

    batch_id: str
    file_name: str
    """The name of the file that was submitted first with this content."""
    sha256: Sha256
    status: RunStatus
    """`waiting` when all rows are done and people rule on the referred ones."""
    options: RunOptions
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The finished share of the rows."""
    chunks: Number = 0
    chunks_done: Number = 0
    rows: Number = 0
    """How many rows the file has; 0 until it was indexed."""
    taken_over: Number = 0
    """How many finished chunks the latest start found, and did not execute again."""
    starts: Number = 0
    """How often it was started: more than once after a crash or an outage."""
    totals: BatchTotals = BatchTotals()
    reviews: Reviewed = Reviewed()
    seconds: float = 0.0
    """From the first chunk to the last, all starts together."""
    rows_per_second: float = 0.0
    chain: str = ""
    """Digest of the chains of all chunks in their order, once all of them are done."""
    error: Failure | None = None
    faults: tuple[RejectedLine, ...] = ()
    """The first ten faults, when no row was accepted."""
    trace_id: str = ""
    created_at: Moment
    updated_at: Moment
    links: dict[str, str] = Field(default_factory=dict)
    """Absolute URLs of its events, decisions, rejects, trace and of its run in Prefect. In the one
    called `span`, put an event's `span_id` in the place of `{span_id}`."""


class BatchPage(Contract):
    """Batches, newest first. `next_cursor` asks for the next page."""

    items: tuple[BatchSummary, ...]
    next_cursor: str | None = None


def most_frequent(counts: Mapping[str, int], limit: int = 10) -> list[tuple[str, int]]:
    """The largest counts first; equal ones in alphabetical order."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:limit]
