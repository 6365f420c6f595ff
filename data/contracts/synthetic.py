"""The manifest of a synthetic portfolio: what each of its rows was made for."""

from __future__ import annotations

from decimal import Decimal

from data.contracts.base import Contract, Day, SchemaVersion, Sha256
from data.contracts.policy import ReasonCode, Recommendation
from data.contracts.quantities import Share


class BranchRows(Contract):
    """The rows that one branch of underwriting is expected to take, before a person answers."""

    name: str
    recommendation: Recommendation | None
    """Of the policy; None when the case waits for documents first."""
    gate: str | None
    """The first gate that asks; None when no person is asked."""
    reason: ReasonCode | None
    """The reason of a rule that hits; None when none needs to."""
    planned_share: Share
    """Of the good rows."""
    lines: tuple[int, ...]

    def share_of(self, rows: int) -> Decimal:
        """The share that the branch has in a number of rows."""
        return Decimal(len(self.lines)) / rows if rows else Decimal(0)


class FaultRows(Contract):
    """The rows with one kind of fault, and how a reader has to reject them."""

    kind: str
    pointer: str
    code: str
    lines: tuple[int, ...]


class PortfolioManifest(Contract):
    """What is in a synthetic portfolio. The same seed, size and day give the same file."""

    schema_version: SchemaVersion = 1
    seed: int
    as_of: Day
    rows: int
    sha256: Sha256
    """Of `applications.jsonl`."""
    branches: tuple[BranchRows, ...]
    faults: tuple[FaultRows, ...] = ()

    @property
    def good_rows(self) -> int:
        return sum(len(branch.lines) for branch in self.branches)
