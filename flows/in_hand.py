"""The case in hand: what an answer at a gate is judged by, besides the request itself.

The run that asks has it, and whoever takes the answer beside it puts the same together from the
ledger: both come to the same verdict, whatever has been deployed or configured meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from data.contracts.case import CaseFile
from data.contracts.runs import RunOptions
from data.contracts.underwriting import Evidence, Rulebook, Underwriting
from flows.forks import case_in_run, overrides_of
from flows.runtime import pins, runs
from flows.runtime.runs import Run


@dataclass(frozen=True)
class InHand:
    """One case, what has been found out about it, and the rulebook that its run has pinned."""

    case: CaseFile
    evidence: Evidence
    rulebook: Rulebook


def in_hand(connection: sa.Connection, run: Run) -> InHand:
    """What a run that waits has in hand. Raises RecordNotFoundError."""
    return InHand(
        case=case_in_run(
            runs.filed(connection, run.application_id),
            RunOptions.model_validate(run.options),
            overrides_of(run),
        ),
        evidence=Underwriting.model_validate(run.state).evidence,
        rulebook=pins.lifted(Rulebook, runs.pinned_body(connection, run.versions["pinned"])),
    )
