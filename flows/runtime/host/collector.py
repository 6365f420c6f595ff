"""Whether the OTLP collector answers this process: its exporter learns it from each batch."""

from __future__ import annotations

import threading

_answers = threading.Event()


def note_answer(has_answered: bool) -> None:
    """Remember whether the collector has taken the last batch that was sent to it."""
    if has_answered:
        _answers.set()
    else:
        _answers.clear()


def answers() -> bool:
    """Whether it took the last batch; false while this process has sent none."""
    return _answers.is_set()
