"""Forms: strict however they are filled in, and answers that must pass the form's own rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect.input import RunInput
from pydantic import ValidationError

from data.contracts.errors import AnswerRejectedError, AuthorityError, LeaseLostError
from data.contracts.events import Event, EventType
from data.contracts.review import Answerer, Channel, Review, ReviewRequest, ReviewStatus, Role
from flows.runtime.checkpoints.store import CheckpointStore
from flows.runtime.execution import flow_run
from flows.runtime.execution.gate_form import Answered, F, GateForm, filled_in, prefilled
from flows.runtime.execution.gatekeeper import (
    PreparedAnswers,
    SuspendingGatekeeper,
    WaitingForReviewError,
)
from flows.runtime.execution.recorder import LedgerRecord
from flows.runtime.ledger import reviews
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_claimed_run, draft, written
from tests.flows.runtime.vacation_parts import MANAGER, granted
from tests.flows.runtime.vacation_workflow import ManagerRuling

GOOD: dict[str, Any] = {"decision": "grant", "reviewer": "Mona", "reason": "well deserved"}
REQUEST = ReviewRequest(
    role=Role.OPERATOR,
    title="A long absence",
    summary="9 days",
    facts={"days": 9},
    prefill={"days": 9},
)
WAITING = draft("waiting", type=EventType.WAITING)


def test_a_form_holds_what_was_filled_in() -> None:
    form = filled_in(ManagerRuling, GOOD | {"days": 3})

    assert (form.decision, form.days, form.reviewer) == ("grant", 3, "Mona")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": None}, "decision"),
        ({"days": 0}, "days"),
        ({"days": 31}, "days"),
        ({"days": "many"}, "days"),
        ({"reviewer": ""}, "reviewer"),
        ({"reviewer": "   "}, "reviewer"),
        ({"reviewer": "M" * 101}, "reviewer"),
        ({"reason": "ok"}, "reason"),
        ({"reason": "r" * 1001}, "reason"),
        ({"mood": "good"}, "mood"),
        ({"reviewer": "Mona\nERROR all is lost"}, "reviewer"),
        ({"reviewer": "Mona\x1b[2J"}, "reviewer"),
        ({"531-40-9207": 1}, "?"),
    ],
    ids=str,
)
def test_a_bad_field_is_named_and_its_value_is_not(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(AnswerRejectedError) as caught:
        filled_in(ManagerRuling, GOOD | fields)

    assert caught.value.field == field
    assert "MMM" not in str(caught.value)


@pytest.mark.parametrize("field", ["decision", "reviewer", "reason"])
def test_a_decision_needs_all_that_has_no_default(field: str) -> None:
    with pytest.raises(AnswerRejectedError, match="required") as caught:
        filled_in(ManagerRuling, {name: value for name, value in GOOD.items() if name != field})

    assert caught.value.field == field


def test_a_prefilled_form_keeps_every_constraint() -> None:
    form = prefilled(ManagerRuling, REQUEST)

    assert form(**GOOD).days == 9
    for wrong in ({"days": 31}, {"reason": "ok"}, {"decision": "perhaps"}, {"mood": "good"}):
        with pytest.raises(ValidationError):
            form(**(GOOD | wrong))
    plain, filled = ManagerRuling.model_json_schema(), form.model_json_schema()
    assert filled["properties"]["days"].pop("default") == 9
    assert "default" not in plain["properties"]["days"]
    assert filled["properties"] == plain["properties"]
    assert filled["required"] == plain["required"]


def test_prefilling_leaves_the_form_of_all_other_requests_alone() -> None:
    prefilled(ManagerRuling, REQUEST)

    assert ManagerRuling(**GOOD).days is None


def test_a_prefilled_form_shows_the_case_and_why_it_is_asked_again() -> None:
    assert prefilled(ManagerRuling, REQUEST)._description == "9 days"
    again = prefilled(ManagerRuling, REQUEST.model_copy(update={"remark": "too many"}))
    assert again._description == "**The last answer could not count: too many**\n\n9 days"


def test_an_optional_number_is_a_number_and_leaving_it_out_gives_none() -> None:
    days = ManagerRuling.model_json_schema()["properties"]["days"]

    assert (days["type"], "anyOf" in days) == ("integer", False)
    assert "days" not in ManagerRuling.model_json_schema()["required"]
    assert filled_in(ManagerRuling, GOOD | {"days": None}).days is None


def test_a_refused_answer_comes_back_without_decision_name_and_reason() -> None:
    assert ManagerRuling.repeated(GOOD | {"days": 31, "mood": "good"}) == {"days": 31}


def test_one_decides_first_and_gives_the_reason_last() -> None:
    fields = list(ManagerRuling.model_json_schema()["properties"])

    assert fields == ["decision", "days", "reviewer", "reason"]


async def test_a_prepared_answer_is_checked_like_any_other() -> None:
    keeper = PreparedAnswers(granted(days=10))

    with pytest.raises(AnswerRejectedError, match="not more than was asked for"):
        await keeper.pass_through(ManagerRuling, 1, REQUEST, WAITING)


async def test_an_answer_of_the_wrong_role_is_refused() -> None:
    clerk = Answerer(reviewer="Kim", roles=(Role.VIEWER,), channel=Channel.HTTP)
    keeper = PreparedAnswers({"manager": [Answered(ManagerRuling(**GOOD), clerk)]})

    with pytest.raises(AuthorityError, match="answered by operator"):
        await keeper.pass_through(ManagerRuling, 1, REQUEST, WAITING)


async def test_every_visit_has_its_own_prepared_answer() -> None:
    answers = [Answered(ManagerRuling(**(GOOD | {"days": days})), MANAGER) for days in (1, 2)]
    keeper = PreparedAnswers({"manager": answers})

    passed = [await keeper.pass_through(ManagerRuling, n, REQUEST, WAITING) for n in (1, 2)]

    assert [answered.form.days for answered in passed] == [1, 2]
    with pytest.raises(WaitingForReviewError):
        await keeper.pass_through(ManagerRuling, 3, REQUEST, WAITING)


def test_a_form_says_who_may_answer_besides_the_role_that_is_asked() -> None:
    class Shared(ManagerRuling):
        gate = "shared"
        roles = (Role.COMPLIANCE,)

    Shared.require_role(REQUEST, [Role.OPERATOR])
    Shared.require_role(REQUEST, [Role.COMPLIANCE, Role.VIEWER])
    with pytest.raises(AuthorityError):
        Shared.require_role(REQUEST, [Role.VIEWER])
    with pytest.raises(AuthorityError):
        ManagerRuling.require_role(REQUEST, [Role.COMPLIANCE])


def test_a_plain_form_has_no_rules_of_its_own() -> None:
    class Note(GateForm):
        gate = "note"

    form = filled_in(Note, {"reviewer": "Mona", "reason": "just so"})
    form.check(REQUEST, MANAGER)
    form.check_documents(REQUEST, [])
    assert form.reviewer == "Mona"


# -- the gatekeeper, without Prefect ---------------------------------------------------------------


class Asleep(Exception):
    """The run was put to sleep under this form."""

    def __init__(self, form: type[RunInput]) -> None:
        self.summary = form._description or ""


@dataclass
class Desk:
    """A gatekeeper on a real ledger; what is typed into Prefect's form is prepared."""

    ledger: Ledger
    epoch: int
    typed: list[dict[str, Any]] = field(default_factory=list)
    keyed: bool = False
    request: ReviewRequest = REQUEST

    async def pass_through(self, form: type[F]) -> Answered[F]:
        """One execution of the run that comes to the gate."""
        record = LedgerRecord(self.ledger, CheckpointStore(), RUN, self.epoch)
        keeper = SuspendingGatekeeper(
            self.ledger, record, RUN, "", 3600, keys_exist=lambda: self.keyed
        )
        return await keeper.pass_through(form, 1, self.request, WAITING)

    async def reviews(self) -> list[Review]:
        return await self.ledger.read(reviews.of_run, RUN)

    async def journal(self) -> list[Event]:
        return [Event.model_validate_json(body) for body in await written(self.ledger, RUN)]


@pytest.fixture
async def desk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(ledger, await a_claimed_run(ledger))

    async def typed_in(_: str) -> dict[str, Any] | None:
        return made.typed.pop(0) if made.typed else None

    async def suspend(_: str, form: type[RunInput]) -> None:
        raise Asleep(form)

    async def forget(_: Review) -> None:
        """Nothing is kept here."""

    monkeypatch.setattr(flow_run, "typed_in", typed_in)
    monkeypatch.setattr(flow_run, "suspend", suspend)
    monkeypatch.setattr(flow_run, "forget_typed", forget)
    return made


class StricterRuling(ManagerRuling):
    """The same form after a deployment."""

    def check(self, request: ReviewRequest, by: Answerer) -> None:
        raise AnswerRejectedError("the rules have changed", field="days")


async def test_an_answer_that_was_accepted_counts_whenever_the_run_wakes(desk: Desk) -> None:
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)
    (asked,) = await desk.reviews()
    await desk.ledger.write(reviews.answer, asked, GOOD | {"days": 3}, MANAGER)

    passed = [await desk.pass_through(ManagerRuling) for _ in range(2)]

    assert [(answered.form.days, answered.by) for answered in passed] == [(3, MANAGER)] * 2


async def test_an_accepted_answer_that_new_rules_refuse_is_asked_again_and_fails_nothing(
    desk: Desk,
) -> None:
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)
    await desk.ledger.write(reviews.answer, (await desk.reviews())[0], GOOD, MANAGER)

    with pytest.raises(Asleep) as caught:
        await desk.pass_through(StricterRuling)

    assert "could not count: the rules have changed" in caught.value.summary
    statuses = [review.status for review in await desk.reviews()]
    assert statuses == [ReviewStatus.REJECTED, ReviewStatus.OPEN]
    told = await desk.journal()
    assert [event.type for event in told] == [
        EventType.WAITING,
        EventType.HITL_REJECTED,
        EventType.WAITING,
    ]
    assert told[1].meta == {"gate": "manager", "code": "answer_rejected"}


async def test_what_is_typed_into_prefect_s_form_is_kept_with_whether_there_were_keys(
    desk: Desk,
) -> None:
    desk.typed, desk.keyed = [GOOD | {"days": 3}], True

    passed = await desk.pass_through(ManagerRuling)

    assert (passed.by.channel, passed.by.keyed, passed.by.proven) == (
        Channel.PREFECT_UI,
        True,
        False,
    )


async def test_why_an_answer_did_not_count_outlives_the_worker_that_found_out(desk: Desk) -> None:
    desk.typed = [GOOD | {"days": 12}]
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)
    first, again = await desk.reviews()

    with pytest.raises(Asleep) as caught:
        await desk.pass_through(ManagerRuling)

    assert caught.value.summary.startswith("**The last answer could not count: not more than was")
    assert again.opened_at == first.opened_at
    assert len(await desk.reviews()) == 2


async def test_what_is_asked_again_is_told_as_it_stands_with_its_role_and_its_time(
    desk: Desk,
) -> None:
    step = {"escalate_after_seconds": -1, "escalate_to": Role.SENIOR_UNDERWRITER}
    desk.request = REQUEST.model_copy(update=step)
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)
    await desk.ledger.write(reviews.pass_on, (await desk.reviews())[0])

    desk.typed = [GOOD | {"days": 12}]
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)

    first, again = await desk.reviews()
    told = [event for event in await desk.journal() if event.type is EventType.WAITING]
    assert [event.meta["role"] for event in told] == ["operator", "senior_underwriter"]
    assert [event.meta["due_at"] for event in told] == [first.due_at.isoformat()] * 2
    assert told[1].message == "Waiting for senior underwriter: A long absence"
    assert again.request.role is Role.SENIOR_UNDERWRITER


async def test_what_is_asked_again_rests_on_the_facts_as_the_run_writes_them_now(
    desk: Desk,
) -> None:
    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)
    desk.request = REQUEST.model_copy(update={"facts": {"days": 8}})
    desk.typed = [GOOD | {"days": 12}]

    with pytest.raises(Asleep):
        await desk.pass_through(ManagerRuling)

    assert [review.request.facts for review in await desk.reviews()] == [{"days": 9}, {"days": 8}]


async def test_a_worker_that_lost_its_lease_asks_no_person(desk: Desk) -> None:
    desk.epoch += 1

    with pytest.raises(LeaseLostError):
        await desk.pass_through(ManagerRuling)

    assert await desk.reviews() == []
    assert await desk.journal() == []
