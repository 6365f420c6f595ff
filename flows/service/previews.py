"""A preview of a ruling: the rest of the run with the answer, executed and not stored.

The answer is checked as an answer is. Then the root flow goes on inline from the run's last
checkpoint, with the answers that counted so far and this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from data.contracts.errors import CheckpointCorruptError, CheckpointNotFoundError
from data.contracts.notices import Notice
from data.contracts.policy import RuleResult, RuleStatus
from data.contracts.preview import RulingPreview
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, ReviewStatus, Role
from data.contracts.runs import Lineage, RunOptions
from data.contracts.underwriting import ReviewFacts
from data.settings import Settings
from flows.inline import Decided, Underwritten, underwrite_inline
from flows.review_forms import SecondApproval, UnderwriterRuling
from flows.runtime.checkpoints import checkpoint as checkpoints
from flows.runtime.checkpoints.checkpoint import Checkpoint
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution.gate_form import Answered, F, GateForm, filled_in
from flows.runtime.execution.gatekeeper import PreparedAnswers, WaitingForReviewError
from flows.runtime.ledger import clearances, reviews
from flows.runtime.ledger.clearances import Confirmed
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from flows.runtime.ledger.runs import Run
from flows.service import answers
from flows.service.requests import Answer, Caller

_AGREEING = {"decision": "approve", "reviewer": "A second person", "reason": "as previewed"}
_SECOND = Answerer(
    reviewer="A second person", roles=(Role.SENIOR_UNDERWRITER,), channel=Channel.SYSTEM
)


class Rehearsal(PreparedAnswers):
    """The answers of a run so far, and one that is tried. A second person is taken to agree."""

    def __init__(self, given: Iterable[Review]) -> None:
        super().__init__()
        self._given = {(review.gate, review.visit): review for review in given}
        self.needs_second_person = False

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        review = self._given.get((form.gate, visit))
        if review is not None:
            assert review.fields is not None
            assert review.by is not None
            answer = filled_in(form, review.fields)
            answer.check(review.request, review.by)
            return Answered(answer, review.by)
        if form.gate != SecondApproval.gate:
            raise WaitingForReviewError(form.gate, request)
        self.needs_second_person = True
        return Answered(filled_in(form, dict(_AGREEING)), _SECOND)


@dataclass(frozen=True)
class _Question:
    """Everything that a preview reads in the ledger, in one transaction."""

    judged: answers.Judged
    given: tuple[Review, ...]
    """The requests that were answered before."""
    confirmed: Confirmed
    """The clearances that count, for a preview in which the applicants are screened again."""


async def preview(
    ledger: Ledger,
    settings: Settings,
    run: Run,
    answer: Answer,
    caller: Caller,
    request_id: str | None = None,
) -> RulingPreview:
    """Say what an answer would bring. Nothing is stored. Raises as `answers.record` does."""
    asked = await ledger.read(_question, settings, run.run_id, answer, caller, request_id)
    saved = await _last_checkpoint(ledger, settings, run)
    rehearsal = Rehearsal((*asked.given, _as_answered(asked.judged)))
    ended = await asyncio.to_thread(_go_on, run, asked, rehearsal, saved)
    return _told(run, asked, rehearsal, ended)


def _question(
    connection: sa.Connection,
    settings: Settings,
    run_id: str,
    answer: Answer,
    caller: Caller,
    request_id: str | None,
) -> _Question:
    judged = answers.judged(connection, settings, run_id, answer, caller, request_id=request_id)
    reviews.require_free(connection, judged.review, judged.by.reviewer)
    asked = reviews.of_run(connection, run_id)
    return _Question(
        judged,
        tuple(review for review in asked if review.status is ReviewStatus.ANSWERED),
        clearances.confirmed(connection, judged.about.case.application.as_of_date),
    )


def _as_answered(judged: answers.Judged) -> Review:
    return judged.review.model_copy(update={"fields": judged.fields, "by": judged.by})


async def _last_checkpoint(ledger: Ledger, settings: Settings, run: Run) -> Checkpoint | None:
    """Where the run would go on. A run that has lost its checkpoint starts over."""
    fork = Lineage.model_validate(run.lineage) if run.lineage else None
    with suppress(CheckpointNotFoundError, CheckpointCorruptError):
        store = CheckpointStore(settings.checkpoint_storage)
        found = await checkpoints.load_last(ledger, store, run.run_id, fork)
        return found.checkpoint if found else None
    return None


def _go_on(
    run: Run, asked: _Question, rehearsal: Rehearsal, saved: Checkpoint | None
) -> Underwritten:
    """The rest of the run, in a loop of its own: it computes, and the caller's loop serves."""
    rest = underwrite_inline(
        asked.judged.about.case,
        asked.judged.about.rulebook,
        run_id=run.run_id,
        options=RunOptions.model_validate(run.options),
        answers=rehearsal,
        saved=saved,
        confirmed=asked.confirmed,
    )
    return asyncio.run(rest)


def _told(run: Run, asked: _Question, rehearsal: Rehearsal, ended: Underwritten) -> RulingPreview:
    form, review = asked.judged.form, asked.judged.review
    plain = RulingPreview(
        run_id=run.run_id,
        request_id=review.request_id,
        gate=review.gate,
        decision=getattr(form, "decision", ""),
        needs_second_person=rehearsal.needs_second_person,
    )
    if not isinstance(ended, Decided):
        return plain.model_copy(update={"asks_next": ended.gate})
    content = ended.content
    rules = _rules_on_its_terms(form) or content.rule_results
    return plain.model_copy(
        update={
            "is_override": _is_override(form, review.request),
            "outcome": content.outcome,
            "offer": content.offer,
            "alternatives": content.alternatives,
            "conditions": content.conditions,
            "principal_reasons": content.principal_reasons,
            "letters": tuple(Notice.model_validate(letter.body) for letter in ended.letters()),
            "rules": tuple(rule for rule in rules if rule.status is not RuleStatus.NOT_HIT),
        }
    )


def _rules_on_its_terms(form: GateForm) -> tuple[RuleResult, ...]:
    """What the rules say about the terms that an underwriter would grant."""
    if isinstance(form, UnderwriterRuling) and form.grants:
        return form.terms().policy.results
    return ()


def _is_override(form: GateForm, request: ReviewRequest) -> bool:
    """Whether the ruling grants what the policy declines, as asked for or on its own terms."""
    if isinstance(form, UnderwriterRuling) and form.grants:
        return ReviewFacts.of(request).is_override or form.terms().is_override
    if isinstance(form, SecondApproval) and form.decision == "approve":
        return ReviewFacts.of(request).is_override
    return False
