"""What Python's garbage collector looks at in a process that runs for long."""

from __future__ import annotations

import gc


def leave_out_loaded() -> None:
    """Leave all that this process has loaded so far out of later collections.

    Call it when a process has started. A full collection visits every object: with Prefect loaded
    that stops an event loop for a fifth of a second, again and again, and finds next to nothing,
    because modules and classes stay until the end.
    """
    gc.collect()
    gc.freeze()
