"""Before an answer or a resume is accepted: can the run go on at all?"""

from __future__ import annotations

from typing import Any

import pytest

from data.contracts.errors import (
    AlreadyDecidedError,
    ConflictError,
)
from data.contracts.runs import Lineage, RunOptions
from data.settings import settings
from flows.runtime.ledger import decisions, runs
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.tables import blobs
from flows.service.forks import require_able_to_go_on
from tests.flows.service.fork_parents import a_parent, forked, saved, spoil_the_pin


async def test_a_run_with_a_sound_past_may_go_on(ledger: Ledger) -> None:
    await require_able_to_go_on(
        ledger, settings(), await a_parent(ledger, saved(), status="waiting")
    )


async def test_a_run_whose_rulebook_cannot_be_read_may_not_go_on(ledger: Ledger) -> None:
    run = await ledger.write(spoil_the_pin, await a_parent(ledger, saved(), status="waiting"))

    with pytest.raises(ConflictError, match="schema 99"):
        await require_able_to_go_on(ledger, settings(), run)


async def test_a_run_whose_findings_have_another_form_may_not_go_on(ledger: Ledger) -> None:
    odd = saved(outputs={"doc_intake#1": {"surprise": 1}})

    with pytest.raises(ConflictError, match="another form"):
        await require_able_to_go_on(
            ledger, settings(), await a_parent(ledger, odd, status="waiting")
        )


async def test_a_run_that_has_lost_its_checkpoint_may_start_over(ledger: Ledger) -> None:
    run = await a_parent(ledger, saved(), status="waiting")
    await ledger.write(lambda c: c.execute(blobs.delete().where(blobs.c.path == "key-1")))

    await require_able_to_go_on(ledger, settings(), run)


async def test_a_run_whose_application_a_fork_has_decided_may_not_go_on_and_a_what_if_may(
    ledger: Ledger,
) -> None:
    run = await a_parent(ledger, saved(), status="waiting")
    what_if = await forked(ledger, Lineage(parent_run_id="parent", forked_at="intake/1"))

    def decided_by_another(connection: Any) -> None:
        runs.register(connection, *("f", "fork:f"), application_id="ada-prime")
        decisions.enter(connection, "f", RunOptions())

    await ledger.write(decided_by_another)

    with pytest.raises(AlreadyDecidedError, match="run f"):
        await require_able_to_go_on(ledger, settings(), run)
    await require_able_to_go_on(ledger, settings(), what_if)
