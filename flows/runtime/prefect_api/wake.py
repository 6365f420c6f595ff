"""Waking runs whose answer the ledger holds."""

from __future__ import annotations

import logging

from data.contracts.review import Review
from flows.runtime.ledger import reviews, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.runs import Run
from flows.runtime.prefect_api import states
from flows.runtime.prefect_api.client import PrefectClient, at_border

KEPT_HERE = "see the desk's journal"
"""What Prefect is told in place of the reviewer's name and words."""

log = logging.getLogger(__name__)


@at_border
async def deliver_answers(client: PrefectClient, ledger: Ledger) -> None:
    """Wake the runs whose answer was accepted and that still sleep."""
    for review in await ledger.read(reviews.undelivered):
        with states.isolate_errors(review.run_id):
            await deliver_answer(client, ledger, review)


@at_border
async def deliver_answer(client: PrefectClient, ledger: Ledger, review: Review) -> bool:
    """Wake the run that an answer is for; True when it is awake, and that is noted."""
    run = await ledger.read(runs.find, review.run_id)
    if not run.status.has_ended and not await _wake(client, run, review):
        return False
    await ledger.write(reviews.mark_delivered, review)
    return True


async def _wake(client: PrefectClient, run: Run, review: Review) -> bool:
    """Resume a suspended run; True when it is awake.

    Prefect's input carries the decision, for people who look there, and none of the words that
    the reviewer wrote; the gate reads the ledger.
    """
    flow_run = await states.flow_run(client, run.flow_run_id)
    state = flow_run.state if flow_run else None
    if flow_run is None or state is None:
        return False  # Prefect lost it: the sweep makes another flow run, which finds the answer
    if not state.is_paused():
        # A running run is not asleep yet: the answer came while it was being put to sleep.
        return not state.is_running()
    keyset = state.state_details.run_input_keyset
    if not states.sleeps_at(state, review) and keyset:
        return True  # it sleeps at a later request: it has had this answer
    # The system's own answer fits no form, and a pause by hand has none.
    if review.fields is None or not keyset:
        await states.offer_again(client, run.flow_run_id)
        return True
    told = review.fields | dict.fromkeys(("reviewer", "reason"), KEPT_HERE)
    outcome = await client.resume_flow_run(flow_run.id, run_input=told)
    if outcome.status.value == "REJECT":
        reason = getattr(outcome.details, "reason", "no reason given")
        log.warning("Prefect did not take the answer of run %s: %s", run.run_id, reason)
        await states.offer_again(client, run.flow_run_id)
    return outcome.status.value in {"ACCEPT", "REJECT"}
