"""The other applications of the people of a case: when, for how much, and what became of them."""

from __future__ import annotations

import sqlalchemy as sa

from data.contracts.case_view import OtherApplication
from data.contracts.decision import Outcome
from flows.runtime.ledger import decisions, parties, runs
from flows.runtime.ledger.decisions import Decider
from flows.runtime.ledger.parties import Shared
from flows.runtime.ledger.runs import RunRef

_MOST = 20


def other_applications(
    connection: sa.Connection, application_id: str
) -> tuple[OtherApplication, ...]:
    """The newest other applications of the same people, by runs and by batches.

    An application that was accepted before the desk knew people by digests is not among them.
    """
    found = parties.others(connection, application_id, _MOST)
    names = [shared.application_id for shared in found]
    deciders = decisions.deciders(connection, names)
    own = runs.own_runs(connection, names)
    decided_by = [decider.run_id for decider in deciders.values() if decider.run_id]
    contents = decisions.of_runs(connection, decided_by)
    outcomes = {run_id: content["outcome"] for run_id, content in contents.items()}
    return tuple(
        _told(
            shared,
            deciders.get(shared.application_id),
            own.get(shared.application_id),
            outcomes,
        )
        for shared in found
    )


def _told(
    shared: Shared, decider: Decider | None, own: RunRef | None, outcomes: dict[str, str]
) -> OtherApplication:
    run_id = (decider.run_id if decider else "") or (own.run_id if own else "")
    outcome = (outcomes.get(decider.run_id) or shared.outcome) if decider else ""
    return OtherApplication(
        application_id=shared.application_id,
        filed_at=shared.filed_at,
        amount_requested=shared.amount,
        outcome=Outcome(outcome) if outcome else None,
        status=own.status if own and own.run_id == run_id else None,
        run_id=run_id,
        batch_id=decider.batch_id if decider else "",
        same_number=tuple(shared.by_number),
        same_name=tuple(shared.by_name),
    )
