"""The bars show what the events say."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from api.cli.demo.board import Board, Stage, stages_of
from data.contracts.events import Event, EventStatus, EventType
from tests.api.desks import MOMENT, RUN_ID
from tests.api.journals import SPAN, TRACE

STAGES = (Stage("bureau", 10), Stage("review", 10))


def event(kind: EventType, phase: str, progress: float, step: float, message: str = "x") -> Event:
    return Event(
        id=1,
        run_id=RUN_ID,
        ts=MOMENT,
        type=kind,
        phase=phase,
        status=EventStatus.RUNNING,
        message=message,
        progress=progress,
        step_progress=step,
        trace_id=TRACE,
        span_id=SPAN,
    )


def drawn(board: Board) -> str:
    console = Console(file=io.StringIO(), width=60)
    console.print(board)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_bar_for_each_stage_that_carries_weight() -> None:
    graph = {"stages": [{"name": "bureau", "weight": 10}, {"name": "gate", "weight": 0}]}

    assert stages_of(graph) == (Stage("bureau", 10),)


def test_bars_follow_the_run_and_its_stage() -> None:
    board = Board("ada-prime", STAGES)

    board.apply(event(EventType.AGENT_COMPLETED, "bureau", 0.43, 0.5))

    assert board.completed() == 0.43
    assert board.completed("bureau") == 0.5
    assert board.completed("review") == 0.0


@pytest.mark.parametrize(
    "kind", [EventType.STAGE_COMPLETED, EventType.STAGE_SKIPPED, EventType.STAGE_TAKEN_OVER]
)
def test_a_stage_that_is_done_left_out_or_taken_over_is_full(kind: EventType) -> None:
    board = Board("ada-prime", STAGES)

    board.apply(event(kind, "review", 0.88, 0.0))

    assert board.completed("review") == 1.0


def test_a_stage_that_the_map_does_not_have_changes_the_whole_only() -> None:
    board = Board("ada-prime", STAGES)

    board.apply(event(EventType.PROGRESS, "elsewhere", 0.2, 0.7))

    assert (board.completed(), board.completed("bureau")) == (0.2, 0.0)


def test_a_board_shows_title_stages_and_the_last_message_as_text() -> None:
    board = Board("[red]ada", STAGES)
    board.apply(event(EventType.PROGRESS, "bureau", 0.2, 0.7, "read [bold] report"))

    shown = drawn(board)

    for text in ("[red]ada", "overall", "bureau", "review", "read [bold] report", "20%", "70%"):
        assert text in shown


def test_no_bar_is_red_while_all_is_well() -> None:
    board = Board("ada-prime", STAGES)
    board.apply(event(EventType.PROGRESS, "bureau", 0.4, 0.5))
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="truecolor")

    console.print(board)

    assert isinstance(console.file, io.StringIO)
    colours = set(re.findall(r"\x1b\[([0-9;]+)m", console.file.getvalue()))
    red = {code for code in colours if code in {"31", "91"} or code.startswith("38;2;249")}
    assert red == set()
