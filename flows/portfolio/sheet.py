"""The results of a chunk: lines, rejects, totals, and what the ledger has to claim for them.

Each line carries the digest of itself and of the lines before it in its chunk, so that a line that
is changed, left out or put in later is noticed.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from data.contracts.base import canonical_json
from data.contracts.batch import BatchTotals, LineStatus, RejectedLine
from data.contracts.decision import Outcome
from data.contracts.errors import CreditDeskError, Problem
from data.contracts.policy import Recommendation
from data.contracts.portfolio import PortfolioChunk, PortfolioRow
from data.contracts.runs import Failure
from data.contracts.underwriting import Rulebook, Underwriting
from flows.inline import Decided, WaitsAtGate
from flows.runtime.ledger import chunks
from flows.runtime.ledger.batches import Batch
from flows.runtime.ledger.chunks import Claim, FinishedChunk, Known
from flows.runtime.ledger.database import now
from flows.runtime.ledger.letters import Letter
from flows.runtime.ledger.referrals import Referral
from tools.ensemble import expected_loss

Attempt = Decided | WaitsAtGate | CreditDeskError
"""What became of an application that was underwritten here."""


@dataclass
class Sheet:
    """The results of a chunk while they are put together, in the order of the file."""

    batch: Batch
    rulebook: Rulebook
    place: PortfolioChunk
    known: Known
    decided_at: str = field(default_factory=now)
    lines: list[bytes] = field(default_factory=list)
    rejects: list[bytes] = field(default_factory=list)
    restricted: list[bytes] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    letters: dict[str, Sequence[Letter]] = field(default_factory=dict)
    referrals: list[Referral] = field(default_factory=list)
    chain: str = ""
    rejected: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    sums: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def __post_init__(self) -> None:
        self.chain = hashlib.sha256(
            f"{self.batch.batch_id}/{self.place.number}".encode()
        ).hexdigest()

    def reject(self, line: int, problems: tuple[Problem, ...]) -> None:
        """Enter a row that is no application, or not this one."""
        self.rejected += 1
        self._count("reject_codes", problems[0].code)
        for problem in problems:
            self.rejects.append(canonical_json(RejectedLine.of(line, problem)))

    def is_settled(self, row: PortfolioRow) -> bool:
        """Enter a row that another run or batch decides, or that contradicts what is on file."""
        asked = row.case.application.application_id
        decider, run = self.known.deciders.get(asked), self.known.runs.get(asked)
        filed = self.known.filed.get(asked) or (decider.inputs_sha256 if decider else "")
        if filed and filed != row.case.inputs_sha256():
            message = "another application is filed under this id: give it another id"
            self.reject(row.line, (Problem("/application/application_id", "conflict", message),))
        elif decider is not None:
            self._add(
                row,
                LineStatus.DECIDED_BEFORE,
                run_id=decider.run_id,
                batch_id=decider.batch_id,
                decision_id=decider.decision_id,
                decided_at=decider.decided_at,
                content_sha256=decider.content_sha256,
            )
        elif run is not None and not self.known.is_open(asked):
            self._add(row, LineStatus.IN_ANOTHER_RUN, run_id=run.run_id)
        else:
            return False
        return True

    def enter(self, row: PortfolioRow, found: Attempt) -> None:
        """Enter an application that this batch has underwritten."""
        match found:
            case Decided():
                self._decide(row, found)
                self._keep_restricted(row, found.restricted)
            case WaitsAtGate():
                self._refer(row, found)
            case CreditDeskError():
                failure = Failure(
                    code=found.code,
                    message=found.message,
                    stage=found.stage or "",
                    agent=found.agent or "",
                    tool=found.tool or "",
                )
                self._add(row, LineStatus.FAILED, error=failure.model_dump(mode="json"))

    def finished(self) -> FinishedChunk:
        """The chunk as the ledger takes it."""
        totals = BatchTotals(
            rows=self.place.rows,
            rejected=self.rejected,
            **{name: dict(counter) for name, counter in self.counts.items()},
            **{name: f"{amount:.2f}" for name, amount in self.sums.items()},
        )
        return FinishedChunk(
            number=self.place.number,
            rows=self.place.rows,
            lines=self.lines,
            rejects=self.rejects,
            restricted=self.restricted,
            totals=totals.model_dump(mode="json"),
            claims=self.claims,
            letters=self.letters,
            referrals=self.referrals,
            chain=self.chain,
            decided_at=self.decided_at,
        )

    def _decide(self, row: PortfolioRow, decided: Decided) -> None:
        asked, content = row.case.application.application_id, decided.content
        body = canonical_json(content)
        digest = hashlib.sha256(body).hexdigest()
        decision_id = chunks.decision_id_of(self.batch.batch_id, asked)
        inputs = row.case.inputs_sha256()
        self.claims.append(Claim(asked, decision_id, inputs, digest))
        self.letters[decision_id] = decided.letters()
        recommended = content.recommendation or Recommendation(content.outcome.value)
        self._count("outcomes", content.outcome.value)
        self._count("reasons", *(reason.value for reason in content.principal_reasons))
        self._judge(recommended, content.grade.value if content.grade else "none")
        if content.outcome is Outcome.APPROVE and content.offer is not None:
            amount = content.offer.amount
            self.sums["approved"] += amount
            if content.pd is not None:
                loss = expected_loss(content.pd, amount, self.rulebook.ensemble)
                self.sums["expected_loss"] += loss
        self._add(
            row,
            LineStatus.DECIDED,
            outcome=content.outcome.value,
            recommendation=recommended.value,
            batch_id=self.batch.batch_id,
            decision_id=decision_id,
            decided_at=self.decided_at,
            content_sha256=digest,
            content=body,
        )

    def _keep_restricted(self, row: PortfolioRow, documents: Mapping[str, dict[str, Any]]) -> None:
        """Keep what not every reader of the lines may see. A referral takes its own along."""
        asked = row.case.application.application_id
        self.restricted += [
            canonical_json({"application_id": asked, "name": name, "document": document})
            for name, document in documents.items()
        ]

    def _refer(self, row: PortfolioRow, waits: WaitsAtGate) -> None:
        asked = row.case.application.application_id
        state = Underwriting.model_validate(waits.checkpoint.state)
        policy = state.policy
        recommended = policy.recommendation if policy else Recommendation.INCOMPLETE
        grade = state.risk_ensemble.grade if state.risk_ensemble else None
        self._judge(recommended, grade.value if grade else "none")
        self._count("reasons", *(policy.refer_reasons if policy else ()))
        self.referrals.append(
            Referral(
                line=row.line,
                application_id=asked,
                inputs_sha256=row.case.inputs_sha256(),
                application=canonical_json(row.case),
                is_filed=asked in self.known.filed,
                checkpoint=waits.checkpoint.model_dump(mode="json"),
                restricted=dict(waits.restricted),
            )
        )
        self._add(row, LineStatus.REFERRED, recommendation=recommended.value, gate=waits.gate)

    def _judge(self, recommended: Recommendation, grade: str) -> None:
        self._count("recommendations", recommended.value)
        self._count("grades", grade)

    def _add(
        self, row: PortfolioRow, status: LineStatus, *, content: bytes = b"", **fields: Any
    ) -> None:
        """Write a line, chained to the one before. `content` is the JSON of the decision."""
        asked = row.case.application
        self.sums["requested"] += asked.amount_requested
        self._count("statuses", status.value)
        line = {"line": row.line, "application_id": asked.application_id, "status": status.value}
        line |= fields
        self.chain = hashlib.sha256(self.chain.encode() + _encoded(line, content)).hexdigest()
        self.lines.append(_encoded(line | {"chain": self.chain}, content))

    def _count(self, name: str, *keys: str) -> None:
        self.counts.setdefault(name, Counter()).update(keys)


_NO_CONTENT = b'"content":null'


def _encoded(line: dict[str, Any], content: bytes) -> bytes:
    """The canonical JSON of a line. Its content is most of it, and is encoded once for all uses."""
    if not content:
        return canonical_json(line)
    # The texts of a line cannot hold the mark: JSON writes their quotation marks otherwise.
    return canonical_json(line | {"content": None}).replace(_NO_CONTENT, b'"content":' + content, 1)
