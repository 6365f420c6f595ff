"""The cost of a resume from the last of seven checkpoints, compared with the stage that is left.

Both are measured in the worker: the whole flow body of a resumed run, from its first line to
its end, and the decision stage alone in undisturbed runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.benchmarks.rows import Row, at_most, ratio
from tests.benchmarks.shared_desk import SharedDesk

_PATIENCE_SECONDS = 120.0
_NOTED_SECONDS = 0.3
"""How long after the end of a run the stopwatch may still write."""
CHECKPOINTS = ["intake", "verification", "bureau", "risk", "policy", "review", "offer"]


async def resumed(shared: SharedDesk, pairs: int = 4) -> AsyncIterator[Row]:
    """Pairs of an undisturbed and a resumed run, in turns."""
    await _reviewed(shared, "warm-up", stop=True)
    bodies, stages = [], []
    for number in range(pairs):
        await _reviewed(shared, f"undisturbed-{number}", stop=False)
        stages.append(shared.last_seconds("stage"))
        await _reviewed(shared, f"resumed-{number}", stop=True)
        bodies.append(shared.last_seconds("body"))
    yield ratio(
        "resume.ratio",
        f"resume from the last of 7 checkpoints / stage that is left, {pairs} pairs",
        {"resumed": bodies, "stage": stages},
        at_most(1.5),
    )


async def _reviewed(shared: SharedDesk, name: str, *, stop: bool) -> None:
    """A borderline case to its end; with `stop` it fails before the decision and is resumed."""
    flag = shared.stop_before_decision(name)
    if stop:
        flag.touch()
    desk = await shared.get()
    run = await desk.start("bora-borderline", **{"as": name})
    await run.until(EventType.WAITING, seconds=_PATIENCE_SECONDS)
    await run.answer(decision="approve")
    if stop:
        await run.until(RunStatus.FAILED, seconds=_PATIENCE_SECONDS)
        saved = (await desk.http.get(f"{run.url}/checkpoints")).json()
        assert [checkpoint["label"] for checkpoint in saved] == CHECKPOINTS
        flag.unlink()
        answer = await desk.http.post(f"{run.url}/resume")
        assert answer.status_code == 202, answer.text
    await run.until(RunStatus.COMPLETED, seconds=_PATIENCE_SECONDS)
    await asyncio.sleep(_NOTED_SECONDS)
