"""A what-if over many stored decisions: decide them again under other versions, storing nothing.

Each case is decided by the rulebook that its run or batch pinned, with the versions that were set:
exactly what one fork of it would do. Watchlists and clearances are those of today, for forks too.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from data.contracts.errors import ContractViolationError, CreditDeskError
from data.contracts.underwriting import Overrides, Rulebook
from data.contracts.what_if import Judgement, WhatIfReport
from data.settings import settings
from flows.inline import Underwritten, underwrite_inline
from flows.judging import judged_attempt
from flows.rulebook import current_rulebook, rulebook_of, with_versions
from flows.runtime.execution.desk import this_desk
from flows.runtime.execution.warm_processes import WarmProcesses
from flows.runtime.ledger import clearances
from flows.runtime.ledger.database import Ledger
from flows.service.stored_cases import Portion, StoredCase, read_portion
from tools.swap_set import add_up

_TOGETHER = 8
"""Cases under way at the same time: an agent that waits before it asks a silent bureau again holds
up no other case."""
_VERSIONED = ("policy", "prices", "scorecard", "challenger")


class SegmentBy(StrEnum):
    """What a what-if groups cases by."""

    GRADE = "grade"
    PRODUCT = "product"
    STATE = "state"
    CHANNEL = "channel"


@dataclass(frozen=True)
class WhatIf:
    """What is different, and how the cases are grouped."""

    versions: Mapping[str, str]
    """The name of another version by part: `policy`, `prices`, `scorecard` or `challenger`."""
    segment_by: SegmentBy = SegmentBy.GRADE

    @classmethod
    def of(cls, given: Mapping[str, str], segment_by: SegmentBy = SegmentBy.GRADE) -> WhatIf:
        """Check that the versions exist, before any case is decided.

        Raises ContractViolationError naming the part that is unknown, missing or bad.
        """
        if unknown := [name for name in given if name not in _VERSIONED]:
            known = ", ".join(_VERSIONED)
            raise ContractViolationError(f"--set {unknown[0]}: unknown; what can be set: {known}")
        asked = cls(dict(given), segment_by)
        data_dir = settings().data_dir
        with_versions(current_rulebook(data_dir), asked.overrides, data_dir)
        return asked

    @property
    def overrides(self) -> Overrides:
        """The versions as a fork would have them."""
        try:
            return Overrides.model_validate(dict(self.versions))
        except ValidationError as error:
            raise ContractViolationError.of("--set", error) from None


@dataclass(frozen=True)
class Decided:
    """What became of a portion."""

    judgements: tuple[Judgement, ...]
    left_out: Counter[str]


def decide_portion(portion: Portion, asked: WhatIf) -> Decided:
    """Decide the cases of a portion again, in this process. Raises UnavailableError."""
    desk = this_desk()
    with desk.ledger.reading() as connection:
        stored = read_portion(connection, portion)
        confirmed = clearances.confirmed(connection, stored.earliest)
    versions = tuple(sorted(asked.versions.items()))

    async def decide(one: StoredCase) -> Judgement:
        rulebook = _other_rulebook(desk.ledger, one.pinned, versions)
        found: Underwritten | CreditDeskError
        try:
            found = await underwrite_inline(
                one.case,
                rulebook,
                options=one.options,
                agent_policy=desk.agent_policy,
                confirmed=confirmed,
            )
        except CreditDeskError as error:
            found = error
        return _judgement(one, found, rulebook, asked.segment_by)

    judgements: list[Judgement] = []

    async def work_off(left: Iterator[StoredCase]) -> None:
        for one in left:
            judgements.append(await decide(one))

    async def side_by_side() -> None:
        left = iter(stored.cases)
        async with asyncio.TaskGroup() as group:
            for _ in range(_TOGETHER):
                group.create_task(work_off(left))

    asyncio.run(side_by_side())
    return Decided(tuple(judgements), stored.left_out)


@lru_cache(maxsize=64)
def _other_rulebook(ledger: Ledger, digest: str, versions: tuple[tuple[str, str], ...]) -> Rulebook:
    """A pinned rulebook with other versions: the very object for all its cases, because to compare
    an equal one costs time for every application."""
    with ledger.reading() as connection:
        book = rulebook_of(connection, digest)
    return with_versions(book, WhatIf(dict(versions)).overrides, settings().data_dir)


def _judgement(
    one: StoredCase,
    found: Underwritten | CreditDeskError,
    rulebook: Rulebook,
    segment_by: SegmentBy,
) -> Judgement:
    application = one.case.application
    segment = {
        SegmentBy.GRADE: one.judged.grade or "none",
        SegmentBy.PRODUCT: application.product.value,
        SegmentBy.STATE: application.state,
        SegmentBy.CHANNEL: application.channel.value,
    }[segment_by]
    return Judgement(
        application_id=one.application_id,
        segment=segment,
        before=one.judged,
        after=judged_attempt(found, rulebook.ensemble),
    )


def decide_all(
    source: str,
    portions: Sequence[Portion],
    asked: WhatIf,
    *,
    processes: int,
    on_done: Callable[[int], Any] = lambda rows: None,
) -> WhatIfReport:
    """Decide all portions on so many processors, and add them up.

    `on_done` hears how many rows a finished portion had. Raises UnavailableError when a process
    was killed or takes too long: nothing is lost, as nothing is stored.
    """
    began = time.monotonic()
    judgements: list[Judgement] = []
    left_out: Counter[str] = Counter()
    for portion, done in _decided(portions, asked, max(1, min(processes, len(portions)))):
        judgements += done.judgements
        left_out += done.left_out
        on_done(len(portion))
    return add_up(
        sorted(judgements, key=lambda one: one.application_id),
        source=source,
        versions=asked.versions,
        segmented_by=asked.segment_by.value,
        left_out=left_out,
        seconds=time.monotonic() - began,
    )


def _decided(
    portions: Sequence[Portion], asked: WhatIf, processes: int
) -> Iterator[tuple[Portion, Decided]]:
    """Each portion with its judgements, in the order in which they are done."""
    if processes == 1:
        yield from ((portion, decide_portion(portion, asked)) for portion in portions)
        return
    seconds = settings().batch_chunk_seconds
    with (
        WarmProcesses(processes, __name__, seconds) as warm,
        ThreadPoolExecutor(processes) as threads,
    ):
        under_way = {
            threads.submit(warm.run, decide_portion, portion, asked): portion
            for portion in portions
        }
        for done in as_completed(under_way):
            yield under_way[done], done.result()
