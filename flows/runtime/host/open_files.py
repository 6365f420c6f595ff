"""How many files and connections this process may have open at the same time."""

from __future__ import annotations

import logging
import resource

_log = logging.getLogger(__name__)


def allow_open_files(needed: int) -> None:
    """Raise this process's own limit to what it needs, as far as the system lets it.

    Many systems allow 1,024 by default, and more for a process that asks. Beyond its limit a
    server cannot accept a connection, not even to refuse it. Logs a warning when less is allowed
    than is needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed < needed:
        _log.warning("only %d of %d open files are allowed (ulimit -n)", allowed, needed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
