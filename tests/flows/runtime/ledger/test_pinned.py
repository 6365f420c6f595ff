"""What a run decides by: fixed when it is first executed, and kept for as long as it is needed."""

from __future__ import annotations

import pytest

from data.contracts.base import Contract, sha256_of
from data.contracts.errors import RecordNotFoundError
from flows.runtime.ledger import pinned, runs
from flows.runtime.ledger.database import Ledger
from tests.flows.runtime.entries import RUN, a_run


class Rules(Contract):
    version: int


async def test_a_run_keeps_the_rules_that_it_was_first_executed_with(any_ledger: Ledger) -> None:
    await a_run(any_ledger)

    first = await any_ledger.write(pinned.pin, RUN, "1", Rules(version=1))
    later = await any_ledger.write(pinned.pin, RUN, "2", Rules(version=2))

    assert first is None
    assert later is not None
    assert Rules.model_validate_json(later) == Rules(version=1)
    assert (await any_ledger.read(runs.find, RUN)).workflow_version == "1"


async def test_a_later_run_has_the_later_rules(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    await a_run(any_ledger, "run-2")
    await any_ledger.write(pinned.pin, RUN, "1", Rules(version=1))

    assert await any_ledger.write(pinned.pin, "run-2", "1", Rules(version=2)) is None


async def test_a_run_decides_by_the_rules_that_were_chosen_for_it(any_ledger: Ledger) -> None:
    await a_run(any_ledger)
    chosen = await any_ledger.write(pinned.keep_pinned, Rules(version=1))

    body = await any_ledger.write(pinned.pin, RUN, "1", Rules(version=2), chosen)

    assert body is not None
    assert Rules.model_validate_json(body) == Rules(version=1)
    assert (await any_ledger.read(runs.find, RUN)).versions == {"pinned": chosen}


async def test_rules_are_kept_once_under_their_digest(any_ledger: Ledger) -> None:
    digests = [await any_ledger.write(pinned.keep_pinned, Rules(version=1)) for _ in range(2)]

    assert digests == [sha256_of(Rules(version=1))] * 2
    body = await any_ledger.read(pinned.pinned_body, digests[0])
    assert Rules.model_validate_json(body) == Rules(version=1)


async def test_rules_that_were_never_pinned_are_not_found(any_ledger: Ledger) -> None:
    with pytest.raises(RecordNotFoundError, match="nothing was pinned under ffff"):
        await any_ledger.read(pinned.pinned_body, "f" * 64)
