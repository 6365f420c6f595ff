"""What a desk uses while it has nothing to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.benchmarks.processor import megabytes, roles_of, settled, shares
from tests.benchmarks.rows import Goal, Row, at_most
from tests.desk import Desk

SECONDS = 20.0


async def idle(desk: Desk) -> AsyncIterator[Row]:
    """A desk that has just started and waits for its first application."""
    await settled(roles_of(desk))
    yield await share_of(desk, "idle.share", "idle desk, part of one core", SECONDS, at_most(3))


async def share_of(desk: Desk, name: str, what: str, seconds: float, goal: Goal) -> Row:
    """The part of one core that all roles use in the next seconds, in percent."""
    used = {role: 100 * part for role, part in (await shares(roles_of(desk), seconds)).items()}
    total = sum(used.values())
    return Row(name=name, what=what, value=total, unit="%", goal=goal, parts=used, part_unit="%")


async def memory(desk: Desk) -> AsyncIterator[Row]:
    """The resident memory of each role, after all that the desk has done so far."""
    used = megabytes(roles_of(desk))
    yield Row(
        name="memory.resident",
        what="resident memory of a desk that has worked",
        value=sum(used.values()),
        unit="MB",
        parts=used,
        part_unit="MB",
    )
