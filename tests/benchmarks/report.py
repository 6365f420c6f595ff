"""The report as it grows: each row on the terminal and in a file as soon as it is known."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.rows import Row
from tests.desk import ROOT

_MARKS = {True: "[green]holds ", False: "[red]missed", None: "[dim]      "}
_PACKAGES = ("prefect", "pydantic", "sqlalchemy", "fastapi", "uvicorn", "opentelemetry-sdk")


class Report:
    """Prints rows, and keeps the JSON file complete up to the last row."""

    def __init__(self, console: Console, file: Path | None) -> None:
        self._console = console
        self._file = file
        self._began = time.perf_counter()
        self._machine = _machine()
        self.rows: list[Row] = []

    @property
    def holds(self) -> bool:
        """Whether no row misses its goal."""
        return all(row.holds is not False for row in self.rows)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        line = f"{_MARKS[row.holds]}[/] {row.what:<58} {_measured(row)}"
        self._console.print(line, highlight=False, soft_wrap=True)
        self._write()

    def close(self) -> None:
        """Print the summary: goals, minutes, machine."""
        self._write()
        goals = [row for row in self.rows if row.holds is not None]
        met = sum(row.holds is True for row in goals)
        minutes = (time.perf_counter() - self._began) / 60
        load = " ".join(f"{average:.1f}" for average in os.getloadavg())
        self._console.print(
            f"{met} of {len(goals)} goals hold. {minutes:.1f} minutes,"
            f" {self._machine['cores']} cores, load {load}, commit {self._machine['commit'][:12]}",
            highlight=False,
            soft_wrap=True,
        )

    def _write(self) -> None:
        if self._file is None:
            return
        content = {
            "machine": self._machine | {"load_at_end": os.getloadavg()},
            "seconds": round(time.perf_counter() - self._began, 2),
            "rows": [row.model_dump(mode="json") for row in self.rows],
        }
        # A reader never meets half a file, and an aborted benchmark leaves the rows it has.
        unfinished = self._file.with_name(f"{self._file.name}.part")
        unfinished.write_text(json.dumps(content, indent=2) + "\n")
        unfinished.replace(self._file)


def _measured(row: Row) -> str:
    if row.fault:
        return row.fault.replace("[", "\\[")
    assert row.value is not None
    text = f"[bold]{_figure(row.value)}[/]{_suffix(row.unit)}"
    if row.goal:
        text += f"  goal {row.goal.bound} {_figure(row.goal.value)}{_suffix(row.unit)}"
    if row.spread:
        low, high = row.spread
        text += f"  ({_figure(low)} to {_figure(high)})"
    if row.parts:
        parts = ", ".join(f"{name} {_figure(value)}" for name, value in row.parts.items())
        text += f"  {parts}{_suffix(row.part_unit)}"
    return text


def _figure(value: float) -> str:
    """A number with as many digits as a reader needs."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _suffix(unit: str) -> str:
    return f" {unit}" if unit else ""


def _machine() -> dict[str, Any]:
    """The facts without which the figures mean nothing."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg(),
        "system": platform.platform(),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in _PACKAGES},
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "has_local_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
