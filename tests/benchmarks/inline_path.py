"""How many applications a second of one core underwrites, without Prefect and without a ledger."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

from data.contracts.case import CaseFile
from data.settings import settings
from flows.inline import underwrite_inline
from flows.rulebook import current_rulebook
from tests.benchmarks.rows import Row, at_least, quartiles
from tests.desk import ROOT
from tests.flows.inline import persona

_SEED = 20


async def inline(rounds: int = 4, applications: int = 75) -> AsyncIterator[Row]:
    """Varied applications: every synthetic applicant, each time with another id and amount."""
    cases, rulebook = _varied(), current_rulebook(settings().data_dir)
    for _ in range(applications // 2):
        await underwrite_inline(next(cases), rulebook)
    rates = []
    for _ in range(rounds):
        batch = [next(cases) for _ in range(applications)]
        began = time.process_time()
        for case in batch:
            await underwrite_inline(case, rulebook)
        rates.append(applications / (time.process_time() - began))
    yield Row(
        name="inline.rate",
        what=f"inline, one core, median of {rounds} rounds of {applications}",
        value=statistics.median(rates),
        unit="applications/s",
        goal=at_least(250),
        spread=quartiles(rates),
    )


def _varied() -> Iterator[CaseFile]:
    """The synthetic cases in turn, for ever, no two of them alike."""
    draw = random.Random(_SEED)
    known = [persona(file.stem).case for file in sorted((ROOT / "data/synthetic").glob("*.json"))]
    while True:
        for case in known:
            application = case.application
            factor = Decimal(draw.randrange(80, 121)) / 100
            changed = application.model_copy(
                update={
                    "application_id": f"{application.application_id}-{draw.randrange(10**9)}",
                    "amount_requested": (application.amount_requested * factor).quantize(
                        Decimal("1.00")
                    ),
                }
            )
            yield case.model_copy(update={"application": changed})
