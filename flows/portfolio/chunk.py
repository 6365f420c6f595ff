"""One chunk of a batch: read its rows, underwrite them in this process, write all of it at once.

This is what the processes of an engine execute. They get a path and a place in the file; what the
chunk decides by and whether it is still wanted stands in the ledger.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from data.contracts.case import CaseFile
from data.contracts.errors import (
    ConflictError,
    CreditDeskError,
    RecordNotFoundError,
    UnavailableError,
)
from data.contracts.portfolio import PortfolioChunk, PortfolioRow, RejectedRow
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Rulebook
from data.settings import settings
from flows.inline import Decided, Underwritten, underwrite_inline
from flows.parties import PartyDigests
from flows.portfolio.canary_rows import CanaryRows
from flows.portfolio.sheet import Attempt, Sheet
from flows.rulebook import current_rulebook, rulebook_of
from flows.runtime.execution.desk import Desk, this_desk
from flows.runtime.ledger import batch_ends, batches, canaries, chunks, clearances, pinned
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.canaries import CanaryRow
from flows.runtime.ledger.chunks import FinishedChunk
from flows.runtime.ledger.database import Ledger
from flows.runtime.ledger.parties import Party
from flows.workflow import WORKFLOW
from tools.portfolio.reader import read_chunk

log = logging.getLogger(__name__)

_TOGETHER = 8
_LOOKS = 5
"""How often a chunk looks again when another way in decides one of its applications meanwhile."""


def underwrite_chunk(batch_id: str, path: str, chunk: Mapping[str, Any]) -> str:
    """Execute a chunk to its end in the ledger; how that went, in a word.

    `finished`; `found` when another process had finished it; `stopped` when the batch is not
    wanted any more. Raises UnavailableError when the ledger is out of reach or the chunk takes too
    long, RecordNotFoundError and RecordCorruptError when the file is not there or has changed.
    """
    desk, place = this_desk(), PortfolioChunk.model_validate(dict(chunk))
    with desk.ledger.reading() as connection:
        if batch_ends.shall_stop(connection, batch_id):
            return "stopped"
        if chunks.is_finished(connection, batch_id, place.number):
            return "found"
        batch = batches.find(connection, batch_id)
        canary = _canary(connection, batch)
    arms = _arms(desk.ledger, batch, canary)
    rows = list(read_chunk(Path(path), place))
    underwritten: dict[str, Attempt] = {}
    for _ in range(_LOOKS):
        finished = _executed(desk, batch, arms, place, rows, underwritten).encoded()
        try:
            with desk.ledger.writing() as connection:
                is_ours = chunks.finish(connection, batch_id, finished)
            return "finished" if is_ours else "found"
        except ConflictError:
            continue  # an application was decided or filed meanwhile: look again
    raise UnavailableError("other ways in keep deciding applications of this chunk")


@lru_cache(maxsize=4)
def _rulebook(ledger: Ledger, digest: str) -> Rulebook:
    today = current_rulebook(settings().data_dir)
    if pinned.digest_of(today) == digest:
        return today  # the very object: to compare an equal one costs time for every application
    with ledger.reading() as connection:
        return rulebook_of(connection, digest)


def _canary(connection: sa.Connection, batch: Batch) -> CanaryRow | None:
    """The canary that the rows of a chunk take part in: one against what the batch decides by. A
    batch that asks for a bundle takes part in none."""
    if batch.options.get("bundle"):
        return None
    return canaries.taking_part(connection, batch.pinned, WORKFLOW.version)


def _arms(ledger: Ledger, batch: Batch, canary: CanaryRow | None) -> CanaryRows:
    """What decides the rows. A challenger that cannot be read takes no part."""
    arms = CanaryRows(batch.batch_id, _rulebook(ledger, batch.pinned))
    if canary is not None:
        with suppress(ConflictError, RecordNotFoundError):
            arms.challenger, arms.canary = _rulebook(ledger, canary.challenger), canary
    return arms


def _executed(
    desk: Desk,
    batch: Batch,
    arms: CanaryRows,
    place: PortfolioChunk,
    rows: list[PortfolioRow | RejectedRow],
    underwritten: dict[str, Attempt],
) -> FinishedChunk:
    """Underwrite the rows that nothing else decides. `underwritten` keeps the earlier results."""
    cases = {
        row.case.application.application_id: row.case
        for row in rows
        if isinstance(row, PortfolioRow)
    }
    options = RunOptions.model_validate(batch.options)
    with desk.ledger.reading() as connection:
        known = chunks.known(connection, list(cases))
        confirmed = clearances.confirmed(connection, _earliest(options, cases.values()))
    left = [
        case for asked, case in cases.items() if asked not in underwritten and known.is_open(asked)
    ]
    underwrite = partial(
        underwrite_inline,
        options=options,
        agent_policy=desk.agent_policy,
        confirmed=confirmed,
    )
    seconds = desk.settings.batch_chunk_seconds
    underwritten |= asyncio.run(_underwrite(partial(arms.decide, underwrite), left, seconds))
    sheet = Sheet(batch, arms.champion, place, known)
    entered = []
    for row in rows:
        if isinstance(row, RejectedRow):
            sheet.reject(row.line, row.problems)
        elif not sheet.is_settled(row):
            asked = row.case.application.application_id
            sheet.enter(row, underwritten[asked])
            entered.append(asked)
    measured = tuple(arms.cases[asked] for asked in entered if asked in arms.cases)
    accepted = {asked: underwritten[asked] for asked in entered}
    people = _people(desk.settings.parties_secret, cases, accepted)
    return replace(sheet.finished(), canary_cases=measured, people=people)


def _people(
    secret_file: Path, cases: Mapping[str, CaseFile], accepted: Mapping[str, Attempt]
) -> Sequence[Party]:
    """The people of the applications that were decided or referred here."""
    digests = PartyDigests.known(secret_file)
    if digests is None:
        _warn_of_missing(secret_file)
        return ()
    return [
        person
        for asked, found in accepted.items()
        if not isinstance(found, CreditDeskError)
        for person in digests.parties(
            cases[asked].application,
            found.content.outcome.value if isinstance(found, Decided) else "",
        )
    ]


@cache
def _warn_of_missing(secret_file: Path) -> None:
    """Once in a process, and not with each chunk."""
    log.warning("no %s here: the people of this batch are not found later", secret_file)


def _earliest(options: RunOptions, cases: Iterable[CaseFile]) -> date:
    """The first of the days that the cases of a chunk are decided as of."""
    days = (case.application.as_of_date for case in cases)
    return options.as_of_date or min(days, default=date.max)


async def _underwrite(
    underwrite: Callable[[CaseFile], Awaitable[Underwritten]],
    cases: Iterable[CaseFile],
    seconds: float,
) -> dict[str, Attempt]:
    """The results by application. Some cases are under way together: an agent that waits before it
    asks a silent bureau again holds up no other case."""
    results: dict[str, Attempt] = {}
    left = iter(cases)

    async def work_off() -> None:
        for case in left:
            asked = case.application.application_id
            try:
                results[asked] = await underwrite(case)
            except CreditDeskError as error:
                results[asked] = error

    # The engine's own limit, if it has one, ends a whole process, and none can end a thread.
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(_TOGETHER):
                group.create_task(work_off())
    except TimeoutError:
        raise UnavailableError(f"a chunk took longer than {seconds:g} s") from None
    return results
