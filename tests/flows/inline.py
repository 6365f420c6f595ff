"""Underwriting without Prefect: the same root flow, with prepared answers and documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.case import CaseFile, Persona
from data.contracts.decision import DecisionContent
from data.contracts.errors import CreditDeskError, ReviewTimeoutError
from data.contracts.events import EventType
from data.contracts.review import Answerer, Channel, ReviewRequest, Role
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Underwriting
from data.settings import settings
from flows.runtime.execution.context import AgentPolicy, RunContext, current_run
from flows.runtime.execution.gate_form import Answered, F, filled_in
from flows.runtime.execution.gatekeeper import PreparedAnswers, WaitingForReviewError
from flows.runtime.execution.recorder import Entry, MemoryRecord, T
from flows.runtime.execution.surroundings import Inline, inline
from flows.runtime.ledger.applications import Filed
from flows.runtime.ledger.journal import Draft
from flows.underwriting import underwrite
from tools.case_files import load_persona

QUICK = AgentPolicy(backoff_seconds=0.001)


@dataclass(frozen=True)
class Says:
    """An answer at a gate."""

    gate: str
    decision: str
    reviewer: str = "Una"
    roles: tuple[Role, ...] = tuple(Role)
    proven: bool = True
    keyed: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    def answered(self, form: type[F]) -> Answered[F]:
        """The filled-in form. Raises AnswerRejectedError."""
        plain = {
            "decision": self.decision,
            "reviewer": self.reviewer,
            "reason": "seen and considered",
        }
        by = Answerer(
            reviewer=self.reviewer,
            roles=self.roles,
            channel=Channel.HTTP,
            proven=self.proven,
            keyed=self.keyed,
        )
        return Answered(filled_in(form, plain | self.more), by)


@dataclass(frozen=True)
class Silence:
    """A gate that is not answered in time."""

    gate: str


Step = Says | Silence


class Script(PreparedAnswers):
    """A gatekeeper with prepared answers, in order. Answers may post documents of the applicant."""

    def __init__(self, steps: Sequence[Step], posted: Callable[[Says], None]) -> None:
        super().__init__()
        self._steps = list(steps)
        self._posted = posted
        self.asked: list[tuple[str, ReviewRequest]] = []
        self.given: list[Answered[Any]] = []
        """The answers to them, as far as there were any."""

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        self.asked.append((form.gate, request))
        if not self._steps or self._steps[0].gate != form.gate:
            raise WaitingForReviewError(form.gate, request)
        step = self._steps.pop(0)
        if isinstance(step, Silence):
            raise ReviewTimeoutError(f"no answer at '{form.gate}' in time", gate=form.gate)
        answered = step.answered(form)
        answered.form.check(request, answered.by)
        self._posted(step)
        self.given.append(answered)
        return answered


class WatchedRecord(MemoryRecord):
    """A record that remembers its run."""

    run: RunContext[Underwriting] | None = None

    async def write(
        self, entry: Entry, also: Callable[[sa.Connection], T] = lambda _: cast(Any, None)
    ) -> Any:
        self.run = current_run()
        await super().write(entry, also)


@dataclass
class Underwritten:
    """The result of one case."""

    record: WatchedRecord
    script: Script
    error: CreditDeskError | None = None

    @property
    def run(self) -> RunContext[Underwriting]:
        assert self.record.run is not None
        return self.record.run

    @property
    def content(self) -> DecisionContent:
        assert isinstance(self.record.decision, DecisionContent), self.error
        return self.record.decision

    @property
    def letters(self) -> list[dict[str, Any]]:
        """The letters as they are sent."""
        return [letter.body for letter in self.record.letters()]

    @property
    def is_decided(self) -> bool:
        return self.record.decision is not None

    @property
    def drafts(self) -> list[Draft]:
        return self.record.drafts

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates that asked, in order."""
        return tuple(gate for gate, _ in self.script.asked)

    @property
    def taken(self) -> set[tuple[str, str]]:
        return set(self.run.walk.taken)

    def said(self, type: EventType) -> list[Draft]:
        return [draft for draft in self.drafts if draft.type is type]

    def agents(self) -> set[str]:
        return {draft.meta["agent"] for draft in self.said(EventType.AGENT_STARTED)}


async def underwritten(
    case: CaseFile,
    *steps: Step,
    options: RunOptions | None = None,
    agent_policy: AgentPolicy = QUICK,
) -> Underwritten:
    """Take a case through the root flow. An error of the desk is stored, not raised."""
    later = case.later_documents if isinstance(case, Persona) else ()
    letterbox: list[bytes] = []

    def posted(step: Says) -> None:
        if step.gate == "documents" and step.decision == "supplied":
            named = set(step.more["document_ids"])
            letterbox.extend(
                canonical_json(document) for document in later if document.document_id in named
            )

    handed_in = case.case if isinstance(case, Persona) else case
    record, script = WatchedRecord(), Script(steps, posted)
    # The run reads the letterbox again after an answer, as it reads the vault on a real desk.
    filed = Filed(canonical_json(handed_in), cast(tuple[bytes, ...], letterbox))
    done = Underwritten(record, script)
    token = inline.set(Inline(filed, agent_policy=agent_policy, answers=script, record=record))
    try:
        await underwrite.fn(case.application.application_id, options=options)
    except CreditDeskError as error:
        done.error = error
    finally:
        inline.reset(token)
    return done


def persona(name: str) -> Persona:
    return load_persona(settings().data_dir, name)


def supplies(case: Persona) -> Says:
    """The applicant sends the documents that the desk asked for."""
    ids = [document.document_id for document in case.later_documents] or ["any"]
    return Says("documents", "supplied", more={"document_ids": ids})
