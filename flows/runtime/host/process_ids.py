"""Processes of this host, as leases name them."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def this_host() -> str:
    """Where this process's number means this process: containers may share a host's name."""
    with suppress(OSError):
        return f"{socket.gethostname()}-{Path('/proc/self/ns/pid').stat().st_ino}"
    return socket.gethostname()


def has_died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that is gone: no need to wait then."""
    host, pid, _, _ = owner.split(":")
    if host != this_host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
