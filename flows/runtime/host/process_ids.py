"""Processes of this host, as leases name them."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def this_host() -> str:
    """Where a process number of this host means one process.

    Two machines may have one name, so the boot id is part of it. Two containers share a boot id,
    so the namespace of process numbers is part of it too.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text()[:8])
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "-".join(parts)


def has_died_here(owner: str) -> bool:
    """Whether a lease belongs to a process of this host that has ended: no need to wait then."""
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
