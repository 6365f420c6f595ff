"""A run as progress bars: one for each stage, one for the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from data.contracts.events import Event, EventStatus, EventType

_BORDER = {
    EventStatus.RUNNING: "cyan",
    EventStatus.WAITING: "yellow",
    EventStatus.DONE: "green",
    EventStatus.ERROR: "red",
}

_ENDS = frozenset({EventType.STAGE_COMPLETED, EventType.STAGE_SKIPPED, EventType.STAGE_TAKEN_OVER})
"""Events after which a stage has nothing left to do."""

_WIDTH = 42
"""Width of one run's panel in characters: three of them fit on a wide terminal."""


@dataclass(frozen=True)
class Stage:
    """A stage of the map: its name, and its share of the run in percent."""

    name: str
    weight: int


def stages_of(graph: dict[str, Any]) -> tuple[Stage, ...]:
    """The stages with a weight, from the map as `/workflow/graph.json` draws it."""
    return tuple(
        Stage(stage["name"], stage["weight"]) for stage in graph["stages"] if stage["weight"] > 0
    )


class Board:
    """The bars of one run. Apply the run's events to it, and render it at any time."""

    def __init__(self, title: str, stages: Sequence[Stage]) -> None:
        self._title = title
        self._message = "Waiting for a worker"
        self._status = EventStatus.RUNNING
        self._bars = Progress(
            TextColumn("{task.description}"),
            # Rich draws an unfinished bar in red, which reads as a failure.
            BarColumn(bar_width=18, complete_style="cyan", finished_style="green"),
            TextColumn("{task.percentage:>3.0f}%"),
        )
        self._overall = self._bars.add_task("[bold]overall", total=1.0)
        self._stages: dict[str, TaskID] = {
            stage.name: self._bars.add_task(stage.name.replace("_", " "), total=1.0)
            for stage in stages
        }

    def apply(self, event: Event) -> None:
        """Show the progress that an event reports."""
        self._message, self._status = event.message, event.status
        self._bars.update(self._overall, completed=event.progress)
        bar = self._stages.get(event.phase)
        if bar is not None:
            self._bars.update(bar, completed=1.0 if event.type in _ENDS else event.step_progress)
        if event.type is EventType.STAGE_SKIPPED and bar is not None:
            name = event.phase.replace("_", " ")
            self._bars.update(bar, description=f"[dim]{name}[/dim]")

    def completed(self, stage: str | None = None) -> float:
        """The progress that the bar of a stage, or of the whole run, shows; from 0 to 1."""
        bar = self._overall if stage is None else self._stages[stage]
        return next(float(task.completed) for task in self._bars.tasks if task.id == bar)

    def __rich__(self) -> Panel:
        inside = Table.grid()
        inside.add_row(self._bars)
        inside.add_row(Text(self._message, overflow="ellipsis", no_wrap=True))
        return Panel(
            inside, title=escape(self._title), border_style=_BORDER[self._status], width=_WIDTH
        )
