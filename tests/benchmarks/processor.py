"""Processor time and memory of processes, and the moment when a desk has nothing left to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from tests.desk import Desk

ROLES = ("server", "worker", "api")
QUIET_SHARE = 0.15
"""A desk has settled when its processes use less of a core than this, twice in a row."""
_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 8.0

Processes = Mapping[str, Any]
"""Processes of psutil, which has no types, by role."""


def roles_of(desk: Desk) -> Processes:
    return {role: desk.role(role) for role in ROLES}


def spent(processes: Processes) -> dict[str, float]:
    """The seconds of processor time that each process has used since its start."""
    times = {role: process.cpu_times() for role, process in processes.items()}
    return {role: used.user + used.system for role, used in times.items()}


def since(before: Mapping[str, float], processes: Processes) -> dict[str, float]:
    """The seconds of processor time that each process has used since a call of `spent`."""
    return {role: seconds - before[role] for role, seconds in spent(processes).items()}


async def settled(processes: Processes) -> None:
    """Wait until the processes have worked off what they were told, for some seconds at most.

    Prefect's server answers first and works later. Without the wait, the work of one run would
    be counted in the next.
    """
    deadline, quiet_looks = time.monotonic() + _LONGEST_SECONDS, 0
    while quiet_looks < 2 and time.monotonic() < deadline:
        is_quiet = sum((await shares(processes, _LOOK_SECONDS)).values()) < QUIET_SHARE
        quiet_looks = quiet_looks + 1 if is_quiet else 0


async def shares(processes: Processes, seconds: float) -> dict[str, float]:
    """The part of one core that each process uses in the next seconds."""
    before, began = spent(processes), time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - began
    return {role: used / elapsed for role, used in since(before, processes).items()}


def megabytes(processes: Processes) -> dict[str, float]:
    """The resident memory of each process."""
    return {role: process.memory_info().rss / 2**20 for role, process in processes.items()}
