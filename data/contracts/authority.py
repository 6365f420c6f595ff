"""The lender's authority matrix: which role may approve which amount, by grade and override."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from data.contracts.base import Contract, Flag, Money

GRADES = frozenset("ABCDEF")
UNGRADED = "ungraded"

Limit = Annotated[Money, Field(ge=0)]


class RoleAuthority(Contract):
    """The largest amount in dollars that a role may approve, for each risk grade."""

    approve: dict[str, Limit]
    override: dict[str, Limit]

    @model_validator(mode="after")
    def _complete_and_ordered(self) -> Self:
        if set(self.approve) != GRADES | {UNGRADED} or set(self.override) != set(self.approve):
            raise ValueError("every grade, and `ungraded`, needs a limit")
        if any(self.override[grade] > limit for grade, limit in self.approve.items()):
            raise ValueError("an override may not reach further than an approval")
        return self


class ProvenIdentity(Contract):
    """Which answers need a proven identity once the desk has API keys."""

    gates: tuple[str, ...]
    overrides: Flag


class AuthorityMatrix(Contract):
    """The versioned authority file. A run pins it with the rest of its rulebook."""

    matrix: str
    version: str
    unproven: Limit
    """The largest amount that a reviewer without a proven identity may approve."""
    proven_identity: ProvenIdentity
    roles: dict[str, RoleAuthority]

    def limit(
        self, role: str, grade: str | None, *, override: bool = False, proven: bool = True
    ) -> Decimal:
        """The largest amount in dollars that a reviewer in this role may approve.

        Zero for a role without authority. `grade` is None for an ungraded application,
        `override` marks an approval against a soft decline of the policy.
        """
        if role not in self.roles:
            return Decimal(0)
        authority = self.roles[role]
        limits = authority.override if override else authority.approve
        limit = limits.get(grade or UNGRADED, Decimal(0))
        return limit if proven else min(limit, self.unproven)

    def may_approve(
        self,
        role: str,
        amount: Decimal,
        grade: str | None,
        *,
        override: bool = False,
        proven: bool = True,
    ) -> bool:
        """Whether an approval of `amount` lies within the authority of this role."""
        return 0 < amount <= self.limit(role, grade, override=override, proven=proven)

    def needs_proven_identity(self, gate: str, *, override: bool, keys_exist: bool) -> bool:
        """Whether an answer counts only from a reviewer with a proven identity."""
        asks = gate in self.proven_identity.gates or (override and self.proven_identity.overrides)
        return keys_exist and asks
