"""What Python's garbage collector looks at in a process that runs for long."""

from __future__ import annotations

import gc

_OBJECTS_BETWEEN = 20_000
"""Python's own number is 700."""


def leave_out_loaded() -> None:
    """Leave all that this process has loaded so far out of later collections.

    Call it when a process has started. A full collection visits every object: with Prefect loaded
    that stops an event loop for a fifth of a second, again and again, and finds next to nothing,
    because modules and classes stay until the end.
    """
    gc.collect()
    gc.freeze()


def collect_seldom() -> None:
    """Let more objects come up before a collection looks at them.

    For a process that works off many cases: each makes thousands of objects, and nearly all of them
    end without a collection, with the last reference to them. With Python's own number an eighth of
    the processor time of a batch went into looking.
    """
    gc.set_threshold(_OBJECTS_BETWEEN, *gc.get_threshold()[1:])
