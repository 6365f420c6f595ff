"""After the decision: offers are accepted, refused or lapse, and conditions are met or waived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from data.contracts.after_decision import (
    ConditionChange,
    ConditionState,
    OfferAnswer,
    OfferState,
    OfferStatus,
)
from data.contracts.decision import Condition, ConditionStatus, DecisionContent
from data.contracts.errors import (
    AuthorityError,
    ConflictError,
    ContractViolationError,
    OfferClosedError,
    Problem,
    RecordNotFoundError,
)
from data.contracts.review import Role
from data.zones import local_day
from flows.runtime.ledger import decision_events
from flows.runtime.ledger.decision_events import DecisionEvent
from flows.service.requests import Caller

_OFFER = "offer"
_LAST_TO_END_A_DAY = "HI"
_MAY_FOLLOW = {
    ConditionStatus.OPEN: {
        ConditionStatus.RECEIVED,
        ConditionStatus.WAIVED,
        ConditionStatus.FAILED,
    },
    ConditionStatus.RECEIVED: {ConditionStatus.FAILED},
    ConditionStatus.FAILED: {ConditionStatus.RECEIVED, ConditionStatus.WAIVED},
    ConditionStatus.WAIVED: set[ConditionStatus](),
}
_MAY_WAIVE = {Role.UNDERWRITER, Role.SENIOR_UNDERWRITER}


def today() -> date:
    """The day that has not ended yet anywhere in the country: an offer is open to its last hour."""
    return local_day(datetime.now(UTC), _LAST_TO_END_A_DAY)


def states(connection: sa.Connection, decided: dict[str, Any]) -> dict[str, Any]:
    """What the record of a decision says about its offer and conditions today."""
    content = DecisionContent.model_validate(decided["content"])
    happened = decision_events.of_decision(connection, decided["decision_id"])
    offer = _offer(content, happened)
    return {
        "offer": offer.model_dump(mode="json") if offer else None,
        "conditions": [
            _condition(condition, happened).model_dump(mode="json")
            for condition in content.conditions
        ],
    }


def answer_offer(
    connection: sa.Connection, decided: dict[str, Any], answer: OfferAnswer, caller: Caller
) -> OfferState:
    """Enter the applicant's answer to the offer of a decision; the first answer counts.

    Raises RecordNotFoundError for a decision without an offer, OfferClosedError for an offer that
    has lapsed or was answered, and ContractViolationError for a choice that it does not have.
    """
    content = DecisionContent.model_validate(decided["content"])
    happened = decision_events.of_decision(connection, decided["decision_id"])
    offer = _offer(content, happened)
    if offer is None:
        raise RecordNotFoundError("the decision makes no offer")
    if answer.choice > len(content.alternatives):
        told = f"the offer has {len(content.alternatives)} alternatives"
        raise ContractViolationError(told, (Problem("/choice", "no_such_offer", told),))
    if offer.status is not OfferStatus.OPEN:
        raise OfferClosedError(f"the offer is {offer.status.value} already")
    is_first = decision_events.record(
        connection,
        decided["decision_id"],
        _OFFER,
        {"accept": answer.accept, "choice": answer.choice},
        by=caller.name,
        by_principal=caller.principal,
    )
    if not is_first:
        raise OfferClosedError("the offer has just been answered by another caller")
    answered = _offer(content, decision_events.of_decision(connection, decided["decision_id"]))
    assert answered is not None
    return answered


def change_condition(
    connection: sa.Connection,
    decided: dict[str, Any],
    code: str,
    change: ConditionChange,
    caller: Caller,
) -> ConditionState:
    """Note that a condition of a decision was met, failed or waived; the letter stays as it is.

    Raises RecordNotFoundError for a condition that the decision does not have, AuthorityError for
    a waiver by another role than an underwriter's, and ConflictError for a change that cannot
    follow the present status.
    """
    content = DecisionContent.model_validate(decided["content"])
    known = {condition.code: condition for condition in content.conditions}
    if code not in known:
        raise RecordNotFoundError("the decision has no condition of this code")
    waives = change.status is ConditionStatus.WAIVED
    if waives and not _MAY_WAIVE & set(caller.roles):
        raise AuthorityError("only an underwriter may waive a condition")
    happened = decision_events.of_decision(connection, decided["decision_id"])
    present = _condition(known[code], happened)
    if change.status not in _MAY_FOLLOW[present.status]:
        raise ConflictError(f"the condition is {present.status.value} already")
    nth = sum(event.key.startswith(_key(code, "")) for event in happened) + 1
    recorded = decision_events.record(
        connection,
        decided["decision_id"],
        _key(code, str(nth)),
        {"status": change.status.value},
        by=caller.name,
        by_principal=caller.principal,
    )
    if not recorded:
        raise ConflictError("the condition has just been changed by another caller: read it again")
    return _condition(known[code], decision_events.of_decision(connection, decided["decision_id"]))


def _offer(content: DecisionContent, happened: Sequence[DecisionEvent]) -> OfferState | None:
    if content.offer is None:
        return None
    expires_on = content.offer.expires_on
    answer = next((event for event in happened if event.key == _OFFER), None)
    if answer is None:
        status = OfferStatus.LAPSED if today() > expires_on else OfferStatus.OPEN
        return OfferState(status=status, expires_on=expires_on)
    accepted = answer.body["accept"]
    return OfferState(
        status=OfferStatus.ACCEPTED if accepted else OfferStatus.REFUSED,
        expires_on=expires_on,
        choice=answer.body["choice"] if accepted else None,
        answered_at=datetime.fromisoformat(answer.at),
        answered_by=answer.by,
    )


def _condition(condition: Condition, happened: Sequence[DecisionEvent]) -> ConditionState:
    changes = [event for event in happened if event.key.startswith(_key(condition.code, ""))]
    stands = condition.model_dump()
    if changes:
        last = changes[-1]
        status = ConditionStatus(last.body["status"])
        stands |= {"status": status, "changed_at": last.at, "changed_by": last.by}
        if status is ConditionStatus.WAIVED:
            stands["waived_by"] = last.by or None
    return ConditionState.model_validate(stands)


def _key(code: str, nth: str) -> str:
    return f"condition/{code}/{nth}"
