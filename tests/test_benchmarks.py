"""`make bench` end to end, with the measurement that takes the least time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

import data
from tests.benchmarks.catalogue import Measurement
from tests.benchmarks.measuring import measure
from tests.benchmarks.report import Report
from tests.benchmarks.rows import Row, at_least, at_most, ratio
from tests.benchmarks.shared_desk import SharedDesk
from tests.benchmarks.streams import many_clients
from tests.desk import PATIENCE_SECONDS, Desk

ROOT = Path(data.__file__).parents[1]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_a_chosen_row_is_printed_and_written_with_its_goal_and_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"

    ended = bench("--only", "help", "--json", str(file))

    report = json.loads(file.read_text())
    [row] = report["rows"]
    assert row["name"] == "help.seconds"
    assert (row["unit"], row["goal"]) == ("s", {"bound": "<=", "value": 0.5})
    assert 0 < row["value"] < row["seconds"] <= report["seconds"]
    assert row["holds"] is (row["value"] <= 0.5)
    assert row["spread"][0] <= row["value"] <= row["spread"][1]
    assert {"cores", "load_at_start", "load_at_end", "versions", "commit"} <= set(report["machine"])
    assert ended.returncode == (0 if row["holds"] else 1), ended.stderr
    first, last = ended.stdout.splitlines()
    assert first.startswith("holds" if row["holds"] else "missed")
    assert row["what"] in first
    assert last.startswith(f"{int(row['holds'])} of 1 goals hold")


def test_a_measurement_that_is_unknown_is_refused_with_the_names_that_are_known() -> None:
    ended = bench("--only", "speed")

    assert ended.returncode == 2
    assert "'straight-through'" in ended.stderr


async def test_a_measurement_that_fails_is_a_row_that_misses_and_the_next_one_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(_: SharedDesk) -> AsyncIterator[Row]:
        yield Row(name="broken.first", what="the first figure", value=1)
        raise OSError("no space is left")

    async def sound(_: SharedDesk) -> AsyncIterator[Row]:
        yield Row(name="sound.only", what="the only figure", value=3, goal=at_least(2))

    file, printed = tmp_path / "figures.json", io.StringIO()
    console = Console(file=printed)
    report = Report(console, file)
    await measure(
        [Measurement("broken", 1, broken), Measurement("sound", 1, sound)], report, console
    )

    rows = json.loads(file.read_text())["rows"]
    assert [(row["name"], row["holds"]) for row in rows] == [
        ("broken.first", None),
        ("broken", False),
        ("sound.only", True),
    ]
    assert rows[1]["fault"] == "OSError: no space is left"
    assert not report.holds
    assert printed.getvalue().splitlines()[1].startswith("missed broken could not be measured")
    assert "Traceback" in capsys.readouterr().err


def test_a_ratio_is_the_median_of_pairs_and_not_the_ratio_of_medians() -> None:
    row = ratio("any.ratio", "any", {"run": [1.0, 6.0, 3.0], "bare": [1.0, 2.0, 2.0]}, at_most(1.4))

    assert (row.value, row.spread) == (1.5, (1.25, 2.25))
    assert row.parts == {"run": 3000.0, "bare": 2000.0}
    assert row.holds is False


def test_a_row_with_a_fault_misses_its_goal_whatever_its_value_is() -> None:
    row = Row(name="any.rate", what="any", value=99, goal=at_least(60), fault="1 run was lost")

    assert row.holds is False


async def test_many_clients_see_every_event_of_their_runs_in_order(desk: Desk) -> None:
    [row] = [row async for row in many_clients(desk, clients=90, runs=3)]

    assert row.fault == ""
    assert row.value is not None
    assert 0 < row.value < PATIENCE_SECONDS
    assert row.parts["p50"] <= row.value <= row.parts["longest"]
