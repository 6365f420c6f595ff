"""The deadline that a request at a gate gets: the lender's, unless the operator says otherwise."""

from __future__ import annotations

from data.contracts.review import Role
from data.settings import settings
from flows.gates import GATES
from tools.deadlines import Deadline, load_deadlines

MAY_ANSWER = {gate: form.roles for gate, form in GATES.items()}
"""The roles that a gate's own rule lets answer, whoever the deadlines would ask."""


def deadline_of(gate: str, role: Role) -> Deadline:
    """How long this role is asked at this gate, and what is declared when nobody answers.

    A decline cannot be declared where papers are missing: such a case is incomplete.
    Raises RecordNotFoundError or RecordCorruptError naming the file that is missing or bad.
    """
    chosen = settings()
    return load_deadlines(chosen.data_dir, MAY_ANSWER).of(
        gate,
        role,
        timeout_seconds=chosen.hitl_timeout_seconds,
        on_timeout=None if gate == "documents" else chosen.hitl_on_timeout,
    )
