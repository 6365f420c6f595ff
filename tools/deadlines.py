"""The lender's deadlines, by gate and role: how long a gate waits, and what it declares then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

from pydantic import model_validator

from data.contracts.base import Contract
from data.contracts.errors import RecordNotFoundError
from data.contracts.review import MAY_ANSWER, Role
from data.settings import HitlOnTimeout
from tools.versioned_data import load_versioned

_AT_ONCE = timedelta(0)
_WHOLE_SECOND = timedelta(seconds=1)


class Deadline(Contract):
    """The deadline of one request, in seconds from its creation."""

    timeout_seconds: int
    remind_after_seconds: int | None = None
    escalate_after_seconds: int | None = None
    escalate_to: Role | None = None
    on_timeout: HitlOnTimeout
    deadlines_version: str
    """Name and version of the deadlines file."""


class GateDeadline(Contract):
    """One entry of the file: reminder, escalation and end of an unanswered request."""

    due_after: timedelta
    remind_after: timedelta | None = None
    escalate_after: timedelta | None = None
    escalate_to: Role | None = None
    on_timeout: HitlOnTimeout

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.escalate_after is None) != (self.escalate_to is None):
            raise ValueError("escalate_after and escalate_to need each other")
        steps = [self.remind_after, self.escalate_after, self.due_after]
        times = [_AT_ONCE, *(step for step in steps if step is not None)]
        if any(later - earlier < _WHOLE_SECOND for earlier, later in pairwise(times)):
            raise ValueError(
                "times must be in ascending order: remind_after, escalate_after, due_after"
            )
        return self


class DeadlinePolicy(Contract):
    """The versioned deadlines file."""

    deadlines: str
    version: str
    gates: dict[str, dict[Role, GateDeadline]]

    @model_validator(mode="after")
    def _passed_on_to_others(self) -> Self:
        for roles in self.gates.values():
            if any(entry.escalate_to is role for role, entry in roles.items()):
                raise ValueError("escalate_to must name another role")
        return self

    @model_validator(mode="after")
    def _asks_those_who_may_answer(self) -> Self:
        """A role that receives a request may answer it."""
        for gate, role in self.asked:
            if role not in MAY_ANSWER.get(gate, ()):
                raise ValueError(f"{role.value} may not answer at '{gate}'")
        return self

    @property
    def asked(self) -> Iterator[tuple[str, Role]]:
        """Every gate with every role that can receive its requests, by escalation too."""
        for gate, roles in self.gates.items():
            for role, entry in roles.items():
                yield gate, role
                if entry.escalate_to is not None:
                    yield gate, entry.escalate_to

    def of(
        self,
        gate: str,
        role: Role,
        *,
        timeout_seconds: int | None = None,
        on_timeout: HitlOnTimeout | None = None,
    ) -> Deadline:
        """The deadline of a request to a role at a gate.

        `timeout_seconds` and `on_timeout` replace the values of the file. Reminder and escalation
        then keep their share of the time. Raises RecordNotFoundError for a gate or role that the
        file does not contain.
        """
        entry = self.gates.get(gate, {}).get(role)
        if entry is None:
            raise RecordNotFoundError(f"the deadlines file has no {role.value} at '{gate}'")
        planned = entry.due_after // _WHOLE_SECOND
        seconds = timeout_seconds or planned

        def scaled(step: timedelta | None) -> int | None:
            return None if step is None else step // _WHOLE_SECOND * seconds // planned

        return Deadline(
            timeout_seconds=seconds,
            remind_after_seconds=scaled(entry.remind_after),
            escalate_after_seconds=scaled(entry.escalate_after),
            escalate_to=entry.escalate_to,
            on_timeout=on_timeout or entry.on_timeout,
            deadlines_version=f"{self.deadlines}/{self.version}",
        )


def load_deadlines(data_dir: Path) -> DeadlinePolicy:
    """Read `policy/deadlines.yaml`. Raises RecordNotFoundError or RecordCorruptError."""
    return load_versioned(data_dir / "policy" / "deadlines.yaml", DeadlinePolicy)
