"""Gates: a question to a person that costs nothing while it waits, and is answered once.

The request lies in the ledger; the run is suspended and no process remembers it. An answer passes
the form's own rules before the run wakes, and passes them again here afterwards. An answer from the
Prefect UI has met only the form's schema: the gate checks it here, and asks again with the reason
if it fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import sqlalchemy as sa

from data.contracts.errors import (
    AlreadyAnsweredError,
    AnswerRejectedError,
    AuthorityError,
    ReviewError,
    ReviewTimeoutError,
    WorkflowError,
)
from data.contracts.events import Event, EventType
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, ReviewStatus
from data.metrics import HITL_WAIT
from flows.runtime.execution import flow_run
from flows.runtime.execution.gate_form import Answered, F, filled_in, judge, prefilled
from flows.runtime.execution.recorder import Entry, Record
from flows.runtime.host import telemetry
from flows.runtime.host.wait_span import draw_wait
from flows.runtime.ledger import applications, journal, leases, reviews
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from flows.runtime.prefect_api import feed, states

_wait = telemetry.histogram(HITL_WAIT)


def resolved_key(gate: str, visit: int) -> str:
    """What the journal calls the end of a request."""
    return f"resolved/{gate}/{visit}"


class Gatekeeper(Protocol):
    """How a run gets past a gate."""

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        """The answer that counts. Without one, the run is put to sleep and this does not return."""


class WaitingForReviewError(WorkflowError):
    """An inline run has come to a gate: there is no person to answer, so it ends here."""

    code = "waiting_for_review"

    def __init__(self, gate: str, request: ReviewRequest) -> None:
        super().__init__(f"the run waits at the gate '{gate}'")
        self.gate = gate
        self.request = request


class PreparedAnswers:
    """Answers given beforehand, for inline runs; a gate without one ends the run."""

    def __init__(self, answers: dict[str, list[Answered[Any]]] | None = None) -> None:
        self._answers = answers or {}

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        prepared = self._answers.get(form.gate, [])
        if len(prepared) < visit:
            raise WaitingForReviewError(form.gate, request)
        answered = prepared[visit - 1]
        answer = filled_in(form, answered.form.model_dump(mode="json"))
        answer.check(request, answered.by)
        return replace(answered, form=answer)


class SuspendingGatekeeper:
    """Suspends the Prefect run until the ledger holds an answer."""

    def __init__(
        self,
        ledger: Ledger,
        record: Record,
        run_id: str,
        traceparent: str,
        timeout_seconds: int | None,
        about: Mapping[str, Any] | None = None,
        keys_exist: Callable[[], bool] = lambda: False,
    ) -> None:
        """`about` is told with every request: what the run is about, and where to look.

        `keys_exist` says whether the desk has keys at the moment.
        """
        self._ledger = ledger
        self._record = record
        self._run_id = run_id
        self._traceparent = traceparent
        self._timeout = timeout_seconds
        self._about = dict(about or {})
        self._keys_exist = keys_exist

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        """Go through the states of a request until an answer counts.

        | the request of this visit      | next                                                  |
        |--------------------------------|-------------------------------------------------------|
        | none, or one that is void      | ask                                                   |
        | open, its time is up           | expire                                                |
        | open, and typed into Prefect   | record the answer, or reject it                       |
        | open                           | sleep; this call does not return                      |
        | settled                        | return the answer, or reject it by the rules of today |

        A run that was woken without an answer, by hand in the Prefect UI say, sleeps again. An
        answer that was accepted before a deployment may not count any more after it.
        """
        while True:
            review = await self._ledger.read(reviews.latest, self._run_id, form.gate, visit)
            if review is None or review.is_void:
                await self._ask(form, visit, request, waiting, void=review)
            elif review.is_overdue:  # woken too late, and before a sweep noticed the time
                await self._ledger.write(reviews.expire, review)
            elif review.status is ReviewStatus.OPEN:
                await self._take_typed_or_sleep(form, review, waiting)
            else:
                await self._end_wait(review)
                try:
                    return _settled(form, review)
                except (AnswerRejectedError, AuthorityError) as error:
                    await self._reject(review, error, waiting)

    async def _take_typed_or_sleep(self, form: type[F], review: Review, waiting: Draft) -> None:
        """Take an answer from Prefect's form; without one, sleep and do not return."""
        key = states.pause_key(review)
        typed = await flow_run.typed_in(key)
        if typed is not None:
            await self._take(form, review, typed, waiting)
        else:
            await self._record.write(Entry(change=lambda: {"status": "waiting"}))
            # Each execution sleeps under a key of its own: Prefect accepts a key only once.
            await flow_run.suspend(f"{key}-{self._record.epoch}", prefilled(form, review.request))

    async def _end_wait(self, review: Review) -> None:
        """Delete the answers in Prefect's form, also one that came too late, and draw the wait:
        once, and not in replays."""
        told = resolved_key(review.gate, review.visit)
        if not await self._ledger.read(journal.is_told, self._run_id, told):
            await flow_run.forget_typed(review)
            self._trace(review)

    def _trace(self, review: Review) -> None:
        """Draw the wait under the request that began it all."""
        assert review.answered_at is not None
        draw_wait(self._traceparent, review, review.answered_at)
        _wait.record(review.waited_seconds, {"gate": review.gate})

    async def _ask(
        self,
        form: type[F],
        visit: int,
        request: ReviewRequest,
        waiting: Draft,
        void: Review | None,
    ) -> None:
        """Enter the request, and tell of it as it was entered: one that is asked again has kept
        its time, and the role that it was escalated to."""
        if void is not None:
            await flow_run.forget_typed(void)
        timeout = request.timeout_seconds or self._timeout
        request = request.model_copy(update={"timeout_seconds": timeout})

        def enter(connection: sa.Connection) -> list[Event]:
            leases.require_lease(connection, self._run_id, self._record.epoch)
            review = reviews.ask(connection, self._run_id, form.gate, visit, request)
            # A reader of this event may act at once, and fork the run, say: the status that it
            # reads must be there with the event.
            return journal.append(
                connection,
                self._run_id,
                [self._news(review, waiting)],
                epoch=self._record.epoch,
                status="waiting",
            )

        feed.publish(await self._ledger.write(enter))

    def _news(self, review: Review, waiting: Draft) -> Draft:
        """The event that a person is waited for, with all that a notification needs."""
        request = review.request
        told = {
            "role": request.role.value,
            "reasons": list(request.reasons),
            "title": request.title,
            "due_at": review.due_at.isoformat(),
        }
        return replace(
            waiting,
            key=f"{waiting.key}/{review.attempt}",
            message=f"Waiting for {request.role.value.replace('_', ' ')}: {request.title}",
            meta={**waiting.meta, **told, **self._about},
        )

    async def _take(
        self, form: type[F], review: Review, typed: dict[str, Any], waiting: Draft
    ) -> None:
        """Record the answer from Prefect's form, or reject it and keep why."""
        try:
            answer = filled_in(form, typed)
            by = Answerer(
                reviewer=answer.reviewer,
                roles=(review.request.role,),
                channel=Channel.PREFECT_UI,
                keyed=self._keys_exist(),
            )

            # Judging reads every document. On SQLite all other writers would wait for it.
            handed_in = await self._ledger.read(applications.document_ids, review.run_id)
            await asyncio.to_thread(judge, answer, review.request, by, handed_in)

            def record(connection: sa.Connection) -> None:
                reviews.answer(connection, review, answer.model_dump(mode="json"), by)
                reviews.mark_delivered(connection, review)

            await self._ledger.write(record)
        except (AlreadyAnsweredError, ReviewTimeoutError):
            return  # through another door, or too late: what the ledger holds counts
        except ReviewError as error:
            repeated = await asyncio.to_thread(form.repeated, typed)
            await self._reject(review, error, waiting, repeated)

    async def _reject(
        self,
        review: Review,
        why: ReviewError,
        waiting: Draft,
        typed: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that an answer does not count; the ledger keeps why, and the typed values, for the
        next attempt's form."""
        rejected = replace(
            waiting,
            key=f"hitl.rejected/{review.gate}/{review.attempt}",
            type=EventType.HITL_REJECTED,
            message=f"The answer at '{review.gate}' cannot count: {why.message}",
            meta={"gate": review.gate, "code": why.code},
        )
        await self._record.write(
            Entry(lambda: [rejected]),
            lambda connection: reviews.reject(connection, review, why.message, typed),
        )


def _settled(form: type[F], review: Review) -> Answered[F]:
    """The answer that the ledger holds, held to the form's rules once more.

    Raises ReviewTimeoutError when no answer came in time; AnswerRejectedError or AuthorityError
    for one that was accepted by other rules than there are now.
    """
    if review.status is ReviewStatus.EXPIRED:
        raise ReviewTimeoutError(
            f"no answer came at '{form.gate}' in time",
            gate=form.gate,
            declared=review.request.on_timeout,
            waited_seconds=review.waited_seconds,
        )
    assert review.fields is not None
    assert review.by is not None
    answer = filled_in(form, review.fields)
    if review.by.channel is not Channel.SYSTEM:
        answer.check(review.request, review.by)
    return Answered(answer, review.by, review.waited_seconds, review.changes)
