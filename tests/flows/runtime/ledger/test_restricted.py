"""Records that not everybody may read: one per run and name, the last one counts."""

from __future__ import annotations

from flows.runtime.ledger import restricted
from flows.runtime.ledger.database import Ledger


async def test_a_later_record_replaces_the_earlier_one(any_ledger: Ledger) -> None:
    await any_ledger.write(restricted.keep, "run-1", "found", {"count": 1})
    await any_ledger.write(restricted.keep, "run-1", "found", {"count": 2})

    assert await any_ledger.read(restricted.find, "run-1", "found") == {"count": 2}


async def test_a_record_is_of_one_run_and_has_one_name(any_ledger: Ledger) -> None:
    await any_ledger.write(restricted.keep, "run-1", "found", {})

    assert await any_ledger.read(restricted.find, "run-1", "found") == {}
    assert await any_ledger.read(restricted.find, "run-2", "found") is None
    assert await any_ledger.read(restricted.find, "run-1", "lost") is None
