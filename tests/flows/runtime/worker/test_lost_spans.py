"""The spans that a journal tells of: those of one execution, with their ends or without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from data.contracts.events import Event, EventStatus, EventType
from flows.runtime.worker.lost_spans import LostSpan, spans_told

T = EventType
BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def journal(*told: tuple[EventType, str, int, dict[str, Any]]) -> list[Event]:
    """Events a second apart: type, phase, number of the span, meta."""
    return [
        Event(
            id=number,
            run_id="run-1",
            ts=BEGAN + timedelta(seconds=number),
            type=type,
            phase=phase,
            status=EventStatus.RUNNING,
            message="",
            progress=0.0,
            step_progress=0.0,
            trace_id="a" * 32,
            span_id=f"{span:016x}",
            meta=meta,
        )
        for number, (type, phase, span, meta) in enumerate(told, 1)
    ]


STARTED = (T.RUN_STARTED, "", 1, {"workflow": "underwrite"})
IN_THE_MIDDLE = journal(
    STARTED,
    (T.STAGE_STARTED, "intake", 2, {}),
    (T.AGENT_STARTED, "intake", 3, {"agent": "reader"}),
    (T.AGENT_COMPLETED, "intake", 3, {"agent": "reader"}),
    (T.STAGE_COMPLETED, "intake", 4, {}),
    (T.STAGE_STARTED, "verification", 5, {}),
    (T.AGENT_STARTED, "verification", 6, {"agent": "kyc"}),
    (T.AGENT_STARTED, "verification", 7, {"agent": "fraud"}),
    (T.AGENT_COMPLETED, "verification", 6, {"agent": "kyc"}),
)


def drawn(spans: list[LostSpan]) -> dict[str, tuple[int, int, bool]]:
    """By name: the span, its parent, and whether it has ended."""
    return {
        span.name: (int(span.id, 16), int(span.parent_id or "0", 16), span.ended is not None)
        for span in spans
    }


def test_what_was_begun_is_drawn_and_what_was_not_finished_stays_open() -> None:
    assert drawn(spans_told(IN_THE_MIDDLE, 1)) == {
        "invoke_workflow underwrite": (1, 0, False),
        "stage intake": (2, 1, True),
        "agent reader": (3, 2, True),
        "checkpoint intake": (4, 2, True),
        "stage verification": (5, 1, False),
        "agent kyc": (6, 5, True),
        "agent fraud": (7, 5, False),
    }


def test_only_the_lost_execution_is_drawn() -> None:
    resumed = (T.RUN_RESUMED, "", 8, {"workflow": "underwrite", "execution": 2})
    later = journal(
        STARTED,
        (T.STAGE_STARTED, "intake", 2, {}),
        (T.ERROR, "intake", 0, {"code": "worker_lost"}),
        resumed,
        (T.STAGE_STARTED, "verification", 9, {}),
    )

    assert drawn(spans_told(later, 2)) == {
        "invoke_workflow underwrite": (8, 0, False),
        "stage verification": (9, 8, False),
    }
    assert drawn(spans_told(later, 1)) == {
        "invoke_workflow underwrite": (1, 0, False),
        "stage intake": (2, 1, False),
    }


def test_an_execution_that_was_lost_before_its_first_word_leaves_nothing() -> None:
    assert spans_told([], 1) == []
    assert spans_told(IN_THE_MIDDLE, 2) == []
