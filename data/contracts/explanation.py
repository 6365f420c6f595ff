"""What the policy said about a run, with the words of its rules."""

from __future__ import annotations

from data.contracts.base import Contract, Sha256, Slug
from data.contracts.policy import Recommendation, RuleResult


class ExplainedRule(RuleResult):
    """What one rule said about a run, and what the rule says."""

    label: str
    condition: str
    """When the rule is hit, on one line: `dti > 0.50`."""
    owner: str
    source: str | None = None
    """The law or document that the rule follows."""


class PolicyExplanation(Contract):
    """The whole policy on one run, by the pack that the run has pinned."""

    run_id: str
    recommendation: Recommendation
    rules: tuple[ExplainedRule, ...]
    pack_id: Slug
    pack_version: str
    pack_sha256: Sha256
