"""Time at the gates: remind, pass on to the next role, and at last declare an outcome.

Each step is taken once, although the worker, the API and `housekeeping` all look, every few
seconds or by the clock. An expired request wakes its run as an answer does (`wake`); what
the system declares then is what the request said from the beginning, and never an approval.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from data.contracts.events import Event, EventType
from data.contracts.review import Review, Role
from data.settings import Settings
from flows.runtime.host.links import about_run
from flows.runtime.ledger import journal, reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.journal import Draft
from flows.runtime.prefect_api import feed


@dataclass(frozen=True)
class Enforced:
    """How many requests were reminded of, passed on, and expired."""

    reminded: int = 0
    escalated: int = 0
    expired: int = 0


async def enforce_deadlines(ledger: Ledger, settings: Settings) -> Enforced:
    """Do what is due about every open request, and tell of it.

    Raises UnavailableError when the ledger is out of reach; the steps before that stay done.
    """
    done: Counter[str] = Counter()
    for review in await ledger.read(reviews.out_of_time):
        written, expired = await ledger.write(_enforce, review, settings)
        feed.publish(written)
        done["expired"] += expired
        done["reminded"] += sum(event.type is EventType.HITL_REMINDED for event in written)
        done["escalated"] += sum(event.type is EventType.HITL_ESCALATED for event in written)
    return Enforced(**done)


def _enforce(
    connection: sa.Connection, review: Review, settings: Settings
) -> tuple[list[Event], bool]:
    """One request's time, in one transaction: an end makes all else pointless."""
    run = runs.find(connection, review.run_id, lock=True)
    if run.status.has_ended:
        reviews.close(connection, run.run_id)  # a clock that ran on would rule by silence
        return [], False
    if reviews.expire(connection, review):
        return [], True  # the run itself tells how it ended, when it wakes
    drafts: list[Draft] = []
    if reviews.end_snooze(connection, review):
        said = f"Back in the inbox: {review.request.title}"
        key = f"{EventType.HITL_WOKEN.value}/{review.request_id}/{run.last_event_id}"
        meta = {"gate": review.gate}
        drafts.append(journal.draft_event(run, key, EventType.HITL_WOKEN, said, meta))
    about = about_run(settings, run.run_id, run.flow_run_id, run.application_id)
    passed = reviews.pass_on(connection, review)
    if passed is not None:
        here = {"from_role": review.request.role.value, **about}
        said = f"Passed on to {_words(passed.request.role)}: {review.request.title}"
        drafts.append(_draft(run, passed, EventType.HITL_ESCALATED, said, here))
    if reviews.note_reminder(connection, review) and passed is None:
        said = f"Still waiting for {_words(review.request.role)}: {review.request.title}"
        drafts.append(_draft(run, review, EventType.HITL_REMINDED, said, about))
    return (journal.append(connection, run.run_id, drafts) if drafts else []), False


def _draft(
    run: runs.Run, review: Review, type: EventType, message: str, meta: dict[str, Any]
) -> Draft:
    """An event about a request, told in the run's own trace."""
    request = review.request
    told = {
        "gate": review.gate,
        "role": request.role.value,
        "title": request.title,
        "due_at": review.due_at.isoformat(),
    }
    key = f"{type.value}/{review.gate}/{review.attempt}"
    return journal.draft_event(run, key, type, message, {**told, **meta})


def _words(role: Role) -> str:
    return role.value.replace("_", " ")
