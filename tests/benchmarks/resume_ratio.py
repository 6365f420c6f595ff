"""The cost of a resume from the last of seven checkpoints, compared with the stage that is left.

Both are measured in the worker: the whole flow body of a resumed run, from its first line to
its end, and the decision stage alone in undisturbed runs.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
from pathlib import Path

import yaml

from data.contracts.events import EventType
from data.contracts.runs import RunStatus
from tests.benchmarks.measure import Row
from tests.desk import ROOT, Desk, desk_in

GOAL = 1.5
_PATIENCE_SECONDS = 120.0
CHECKPOINTS = ["intake", "verification", "bureau", "risk", "policy", "review", "offer"]


async def resumed(samples: int = 10) -> Row:
    """The row: medians of so many resumed runs, and of as many undisturbed ones."""
    with tempfile.TemporaryDirectory(prefix="credit-desk-resume-") as folder:
        bodies, stages = await _measured(Path(folder), samples)
    body, stage = statistics.median(bodies), statistics.median(stages)
    return Row(
        f"resume from the last of 7 checkpoints / remaining stage, {samples} runs",
        f"{body / stage:.2f} ({body * 1000:.0f} / {stage * 1000:.0f} ms)",
        f"<= {GOAL}",
        body / stage <= GOAL,
    )


async def _measured(folder: Path, samples: int) -> tuple[list[float], list[float]]:
    """Seconds of the resumed flow bodies, and of the decision stages of undisturbed runs."""
    stopwatch = folder / "stopwatch"
    stopwatch.mkdir()
    plan = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in plan["deployments"]:
        if deployment["name"] == "underwrite":
            deployment["entrypoint"] = "tests.benchmarks.timed_flow.underwrite"
    (folder / "prefect.yaml").write_text(yaml.safe_dump(plan))
    told = {
        "CREDIT_DESK_PREFECT_YAML": str(folder / "prefect.yaml"),
        "CREDIT_DESK_TEST_STOPWATCH": str(stopwatch),
    }
    async with desk_in(folder, **told) as desk:
        await _reviewed(desk, stopwatch, "warm-up", stop=True)
        bodies, stages = [], []
        for number in range(samples):
            await _reviewed(desk, stopwatch, f"undisturbed-{number}", stop=False)
            stages.append(_last(stopwatch, "stage"))
            await _reviewed(desk, stopwatch, f"resumed-{number}", stop=True)
            bodies.append(_last(stopwatch, "body"))
    return bodies, stages


async def _reviewed(desk: Desk, stopwatch: Path, name: str, *, stop: bool) -> None:
    """A borderline case to its end; with `stop` it fails before the decision and is resumed."""
    flag = stopwatch / f"stop-{name}"
    if stop:
        flag.touch()
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
    await asyncio.sleep(0.5)


def _last(stopwatch: Path, what: str) -> float:
    lines = [json.loads(line) for line in (stopwatch / "times.jsonl").read_text().splitlines()]
    seconds: float = [line["seconds"] for line in lines if line["what"] == what][-1]
    return seconds
