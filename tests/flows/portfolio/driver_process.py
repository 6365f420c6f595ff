"""A driver in a process of its own, which a test may kill: `python -m … BATCH`."""

from __future__ import annotations

import sys

from data.settings import settings
from flows.runtime.ledger import batches
from flows.runtime.ledger.database import shared_ledger
from tests.flows.portfolio.test_driver import driven

if __name__ == "__main__":
    with shared_ledger(settings().ledger).reading() as connection:
        batch = batches.find(connection, sys.argv[1])
    driven(settings(), batch)
