"""Processes of tests that end with their test, whatever happens in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def ending(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Wait for a process at the end of the block. Kill it first if the block fails.

    `Popen` alone waits without a limit. A failed test would then never end, because its time limit
    strikes once.
    """
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
