"""The share of a running canary in a chunk of a batch.

In shadow, the champion's result of a row is the row's, whatever becomes of the challenger: an error
of the challenger is a measurement, and no error of the chunk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from data.contracts.case import CaseFile
from data.contracts.errors import CreditDeskError
from data.contracts.underwriting import Rulebook
from flows.inline import Underwritten, WaitsAtGate
from flows.judging import measured_attempt
from flows.runtime.ledger.canaries import CHALLENGER, CHAMPION, SHADOW, CanaryRow, CaseRow
from flows.runtime.ledger.referrals import run_id_of

_SHADOW_SECONDS = 30.0
"""A challenger that takes longer has failed: the chunk does not wait for it."""

Underwrite = Callable[[CaseFile, Rulebook], Awaitable[Underwritten]]


@dataclass
class CanaryRows:
    """Which rulebook decides each case of a chunk, and the measurements of a canary."""

    batch_id: str
    champion: Rulebook
    canary: CanaryRow | None = None
    challenger: Rulebook | None = None
    cases: dict[str, CaseRow] = field(default_factory=dict)

    async def decide(self, underwrite: Underwrite, case: CaseFile) -> Underwritten:
        """Underwrite a case by its arm's rulebook. Raises the error that ends the case."""
        name = case.application.application_id
        arm = self.canary.arm_of(name) if self.canary else None
        if self.canary is None or self.challenger is None or arm is None:
            return await underwrite(case, self.champion)
        rulebook = self.challenger if arm == CHALLENGER else self.champion
        found, body = await measured_attempt(underwrite(case, rulebook), rulebook.ensemble)
        side = CHALLENGER if arm == CHALLENGER else CHAMPION
        is_asked = isinstance(found, WaitsAtGate)
        row = CaseRow(
            self.canary.canary_id,
            name,
            arm,
            run_id=run_id_of(self.batch_id, name) if is_asked else "",
            batch_id=self.batch_id,
            # Of a referred case, people's rulings are measured when its run has ended.
            is_settled=arm == SHADOW or not is_asked,
            **{side: body},
        )
        if arm == SHADOW:
            attempt = underwrite(case, self.challenger)
            _, shadow = await measured_attempt(attempt, self.challenger.ensemble, _SHADOW_SECONDS)
            row = replace(row, challenger=shadow)
        self.cases[name] = row
        if isinstance(found, CreditDeskError):
            raise found
        return found
