"""A batch without a batch engine: a plain loop over the same functions with the same ledger writes.

`python -m tests.benchmarks.plain_loop FILE` takes a portfolio through them in this process, on a
ledger of the folder that CREDIT_DESK_HOME names. It prints milliseconds of processor time per
application: the rules of the policy alone, the whole application in memory, and with the ledger.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from data.contracts.portfolio import PortfolioChunk, PortfolioRow
from data.settings import settings
from flows.inline import underwrite_inline
from flows.portfolio.chunk import underwrite_chunk
from flows.rulebook import current_rulebook
from flows.runtime.ledger.database import shared_ledger
from flows.stages import policy
from flows.terms import judged
from tests.flows.portfolio.portfolios import begun
from tools.portfolio.reader import read_chunk


def measure(path: Path) -> dict[str, float]:
    """The first chunk warms up; the figures are of the others."""
    batch, (first, *others) = begun(shared_ledger(settings().ledger), path)
    underwrite_chunk(batch.batch_id, str(path), first)
    rows = sum(chunk["rows"] for chunk in others)

    def decide(chunk: dict[str, Any]) -> None:
        assert underwrite_chunk(batch.batch_id, str(path), chunk) == "finished"

    asked: list[tuple[Any, ...]] = []

    def noting(*given: Any) -> Any:
        asked.append(given)
        return judged(*given)

    cases = [row.case for chunk in others for row in _accepted(path, chunk)]
    with patch.object(policy, "judged", noting):
        whole = _milliseconds(_underwrite, [cases])
    return {
        "policy": _milliseconds(lambda given: judged(*given), asked) / len(asked),
        "in memory": whole / len(cases),
        "with ledger": _milliseconds(decide, others) / rows,
    }


def _accepted(path: Path, chunk: dict[str, Any]) -> Iterable[PortfolioRow]:
    rows = read_chunk(path, PortfolioChunk.model_validate(chunk))
    return [row for row in rows if isinstance(row, PortfolioRow)]


def _underwrite(cases: Iterable[Any]) -> None:
    rulebook = current_rulebook(settings().data_dir)

    async def all_of_them() -> None:
        for case in cases:
            await underwrite_inline(case, rulebook)

    asyncio.run(all_of_them())


def _milliseconds(call: Callable[[Any], Any], over: Iterable[Any]) -> float:
    began = time.process_time()
    for one in over:
        call(one)
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
