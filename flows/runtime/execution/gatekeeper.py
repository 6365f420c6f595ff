"""Gates: a question to a person that costs nothing while it waits, and is answered once.

The request lies in the ledger; the run is suspended and no process remembers it. Whatever the
channel, an answer passes the form's own rules before the run wakes, and passes them again here
when it has. What somebody typed into the Prefect UI has met only the form's schema: it is
checked here, and asked again with the reason if it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar

import pydantic
import sqlalchemy as sa
from opentelemetry import metrics, propagate, trace
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.input import RunInput
from prefect.input.run_input import keyset_from_paused_state
from prefect.states import Suspended
from prefect.utilities.engine import propose_state
from pydantic import Field, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from data.contracts.errors import (
    AlreadyAnsweredError,
    AnswerRejectedError,
    AuthorityError,
    ReviewError,
    ReviewTimeoutError,
    StopRequestedError,
    WorkflowError,
    named,
)
from data.contracts.events import Event, EventType
from data.contracts.personal import Signature
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, ReviewStatus, Role
from flows.runtime.execution.recorder import Entry, Record
from flows.runtime.ledger import journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from flows.runtime.prefect_api import states
from flows.runtime.prefect_api.client import prefect_client

DEFAULT_TIMEOUT_SECONDS = 7 * 24 * 3600
"""How long a request waits that does not say so itself."""

_tracer = trace.get_tracer("credit_desk.runtime")
_wait = metrics.get_meter("credit_desk.runtime").create_histogram(
    "credit.hitl.wait.duration", unit="s", description="From a request to the answer that counts"
)


class GateForm(RunInput):
    """What a person fills in. Derive it with flat fields; a decision has no default.

    The Prefect UI draws the fields in order, with `title` as label and `description` below.
    """

    model_config = pydantic.ConfigDict(extra="forbid", str_strip_whitespace=True)
    gate: ClassVar[str]
    roles: ClassVar[tuple[Role, ...]] = ()
    """Who may answer, besides the role that is asked."""

    reviewer: Signature = Field(
        min_length=1,
        max_length=100,
        title="Your name",
        description="Who takes this decision. Kept in the record.",
    )
    reason: str = Field(
        min_length=3,
        max_length=1000,
        title="Reason",
        description="Why. At least 3 characters; kept in the record.",
    )

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        """Raise AuthorityError or AnswerRejectedError when this answer cannot count."""

    def screen(self) -> None:
        """Raise AnswerRejectedError when the answer says what may not be kept.

        Asked once, before an answer is recorded; never again of one that counts already.
        """

    def check_papers(self, request: ReviewRequest, handed_in: Collection[str]) -> None:
        """Raise AnswerRejectedError when the answer names a paper that nobody handed in."""

    @classmethod
    def require_role(cls, request: ReviewRequest, roles: Collection[Role]) -> None:
        """Raise AuthorityError when the gate is answered by others than these roles."""
        if not {request.role, *cls.roles} & set(roles):
            asked = request.role.value.replace("_", " ")
            raise AuthorityError(f"this gate is answered by {asked}")

    @classmethod
    def acting_as(cls, request: ReviewRequest, held: Collection[Role]) -> tuple[Role, ...]:
        """Somebody's roles, first the one in which they answer here: the record names that."""
        here = (request.role, *cls.roles)
        return tuple(sorted(held, key=lambda role: here.index(role) if role in here else len(here)))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema in the order in which one decides: a form's own fields before those that
        all forms have. (Inheritance alone would begin with the latter.)"""
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema)["properties"]
        shared_by = {
            name: sum(name in getattr(form, "model_fields", ()) for form in cls.__mro__)
            for name in fields
        }
        for position, name in enumerate(sorted(fields, key=shared_by.__getitem__)):
            fields[name] = fields.pop(name) | {"position": position}  # by it the Prefect UI sorts
        return schema


F = TypeVar("F", bound=GateForm)
F_co = TypeVar("F_co", bound=GateForm, covariant=True)


@dataclass(frozen=True)
class Answered(Generic[F_co]):
    """A form that counts, and who filled it in."""

    form: F_co
    by: Answerer
    waited_seconds: float = 0.0
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Each value that the answer sets, with the one that was asked about."""


def filled_in(form: type[F], fields: dict[str, Any]) -> F:
    """The form with these fields. Raises AnswerRejectedError naming the first bad one."""
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = "/".join(map(named, found["loc"]))
        raise AnswerRejectedError(found["msg"], field=field) from None


def prefilled(form: type[F], request: ReviewRequest) -> type[F]:
    """The form with this request's defaults, remark and case summary; all constraints stay.

    (Prefect's own `with_initial_data` drops constraints and descriptions.)
    """
    fields: dict[str, Any] = {}
    for name, value in request.prefill.items():
        info = copy(form.model_fields[name])
        info.default = value
        fields[name] = (info.annotation, info)
    made: type[F] = pydantic.create_model(form.__name__, __base__=form, **fields)
    remark = f"**The last answer could not count: {request.remark}**\n\n" if request.remark else ""
    made._description = remark + request.summary
    return made


def resolved_key(gate: str, visit: int) -> str:
    """What the journal calls the end of a request."""
    return f"resolved/{gate}/{visit}"


class Gatekeeper(Protocol):
    """How a run gets past a gate."""

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        """The answer that counts. Whoever has none yet puts the run to sleep and never returns."""


class WaitingForReviewError(WorkflowError):
    """An inline run has come to a gate: nobody is there to answer, so it ends here."""

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
        self._timeout = timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        self._about = dict(about or {})
        self._keys_exist = keys_exist

    async def pass_through(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Answered[F]:
        """Read the ledger; if it has no answer, look into Prefect's form; if none, sleep.

        A run that was woken without an answer, by hand in the Prefect UI say, sleeps again. So
        does one whose answer, accepted before a deployment, cannot count any more after it.
        """
        while True:
            review = await self._request(form, visit, request, waiting)
            if review.is_overdue and await self._ledger.write(reviews.expire, review):
                continue  # woken too late, and before anybody noticed the time
            if review.status is ReviewStatus.OPEN:
                await self._listen(form, review, waiting)
                continue
            await self._end_wait(review)
            try:
                return _settled(form, review)
            except (AnswerRejectedError, AuthorityError) as error:
                await self._reject(review, error, waiting)

    async def _request(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Review:
        """The request of this visit; made now where there is none, or none that still counts."""
        review = await self._ledger.read(reviews.latest, self._run_id, form.gate, visit)
        if review is None:
            return await self._ask(form, visit, request, waiting)
        if review.status in {ReviewStatus.REJECTED, ReviewStatus.CLOSED}:
            await _forget_typed(review)
            return await self._ask(form, visit, request, waiting)
        return review

    async def _listen(self, form: type[F], review: Review, waiting: Draft) -> None:
        """Take what was typed into Prefect's form; if nothing was, sleep and never return."""
        key = states.pause_key(review)
        typed = await _typed_in(key)
        if typed is not None:
            await self._take(form, review, typed, waiting)
        else:
            await self._record.write(Entry([], changes={"status": "waiting"}))
            await _suspend(f"{key}-{self._record.epoch}", prefilled(form, review.request))

    async def _end_wait(self, review: Review) -> None:
        """Forget what was typed, also what has lost to another answer, and draw the wait: once,
        and not in replays."""
        told = resolved_key(review.gate, review.visit)
        if not await self._ledger.read(journal.is_told, self._run_id, told):
            await _forget_typed(review)
            self._trace(review)

    def _trace(self, review: Review) -> None:
        """Draw the wait, which no process was there for, under the request that began it all."""
        assert review.answered_at is not None
        parent = propagate.extract({"traceparent": self._traceparent})
        span = _tracer.start_span(
            f"hitl_wait {review.gate}",
            context=parent,
            start_time=int(review.opened_at.timestamp() * 1e9),
            attributes={"desk.gate": review.gate, "desk.role": review.request.role.value},
        )
        span.end(int(review.answered_at.timestamp() * 1e9))
        _wait.record(review.waited_seconds, {"gate": review.gate})

    async def _ask(
        self, form: type[F], visit: int, request: ReviewRequest, waiting: Draft
    ) -> Review:
        """Enter the request, and tell of it as it was entered: one that goes on being asked
        has kept its time, and the role that it was passed on to."""

        def enter(connection: sa.Connection) -> tuple[Review, list[Event]]:
            runs.require_lease(connection, self._run_id, self._record.epoch)
            review = reviews.ask(connection, self._run_id, form.gate, visit, request, self._timeout)
            # Whoever reads that the run waits may act upon it at once: fork it, say.
            told = journal.append(
                connection,
                self._run_id,
                [self._news(review, waiting)],
                epoch=self._record.epoch,
                status="waiting",
            )
            return review, told

        review, told = await self._ledger.write(enter)
        journal.publish(told)
        return review

    def _news(self, review: Review, waiting: Draft) -> Draft:
        """That somebody is waited for, with everything that a notification needs."""
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
        """Record what was typed into Prefect's form, or reject it and keep why."""
        try:
            answer = filled_in(form, typed)
            by = Answerer(
                reviewer=answer.reviewer,
                roles=(review.request.role,),
                channel=Channel.PREFECT_UI,
                keyed=self._keys_exist(),
            )
            answer.check(review.request, by)
            answer.screen()

            def record(connection: sa.Connection) -> None:
                answer.check_papers(review.request, runs.paper_ids(connection, review.run_id))
                reviews.answer(connection, review, answer.model_dump(mode="json"), by)
                reviews.mark_delivered(connection, review)

            await self._ledger.write(record)
        except (AlreadyAnsweredError, ReviewTimeoutError):
            return  # through another door, or too late: what the ledger holds counts
        except ReviewError as error:
            await self._reject(review, error, waiting)

    async def _reject(self, review: Review, why: ReviewError, waiting: Draft) -> None:
        """Say that an answer does not count; the ledger keeps why, for the next attempt's form."""
        rejected = replace(
            waiting,
            key=f"hitl.rejected/{review.gate}/{review.attempt}",
            type=EventType.HITL_REJECTED,
            message=f"The answer at '{review.gate}' cannot count: {why.message}",
            meta={"gate": review.gate, "code": why.code},
        )
        await self._record.write(
            Entry([rejected]), lambda connection: reviews.reject(connection, review, why.message)
        )


def _settled(form: type[F], review: Review) -> Answered[F]:
    """The answer that the ledger holds, held to the form's rules once more.

    Raises ReviewTimeoutError when nobody gave one in time; AnswerRejectedError or AuthorityError
    for one that was accepted by other rules than there are now.
    """
    if review.status is ReviewStatus.EXPIRED:
        raise ReviewTimeoutError(
            f"nobody answered at '{form.gate}' in time",
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


async def _suspend(key: str, form: type[RunInput]) -> NoReturn:
    """Suspend the root flow run under a form. Raises Pause, Prefect's way out of a flow;
    StopRequestedError when the run was cancelled meanwhile.

    The form is stored before the state, so that an answer that comes at once finds it.
    """
    run_id = _flow_run_id()
    async with prefect_client() as client:
        asleep: State[Any] = Suspended(timeout_seconds=None, pause_key=key)
        keyset = keyset_from_paused_state(asleep)
        asleep.state_details.run_input_keyset = {str(part): name for part, name in keyset.items()}
        await form.asave(keyset, flow_run_id=run_id)
        accepted = await propose_state(client, asleep, flow_run_id=run_id)
    if accepted.is_cancelling() or accepted.is_cancelled():
        raise StopRequestedError(f"cancelled before it could wait at {key}")
    if accepted.is_paused() or accepted.is_scheduled():  # scheduled: woken before it slept
        raise Pause(state=accepted)
    raise WorkflowError(f"the run could not wait at {key}: Prefect says {accepted.name}")


async def _typed_in(key: str) -> dict[str, Any] | None:
    """What was entered in the Prefect UI's form of this request, if anything was."""
    async with prefect_client() as client:
        found = await client.filter_flow_run_input(
            flow_run_id=_flow_run_id(),
            key_prefix=f"suspended-{key}-",
            limit=200,
            exclude_keys=set(),
        )
    answers = [entry.decoded_value for entry in found if entry.key.endswith("-response")]
    latest: dict[str, Any] | None = answers[-1] if answers else None
    return latest


async def _forget_typed(review: Review) -> None:
    """Delete what was entered for a request in the Prefect UI: the ledger has all that counts."""
    async with prefect_client() as client:
        await states.forget_typed(client, _flow_run_id(), states.pause_key(review))


def _flow_run_id() -> Any:
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise WorkflowError("there is no flow run here to put to sleep")
    return context.flow_run.id
