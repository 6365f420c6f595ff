"""How a backend of the agents compares with rules on known cases."""

from __future__ import annotations

from data.contracts.base import Contract, Sha256
from data.contracts.quantities import Count
from data.contracts.wording import ModelUse


class FieldAgreement(Contract):
    """In how many of the cases that have a field both backends gave it the same value."""

    cases: Count
    agreed: Count


class AgentEvaluation(Contract):
    """One agent over all cases."""

    texts: Count
    """How often the model was asked for a text."""
    accepted: Count
    refusals: Count
    """Texts that the desk refused, also those that were mended."""
    fallbacks: dict[str, Count]
    """Texts that the rules' own replaced, by reason."""
    latency_ms_median: float
    latency_ms_max: float
    use: ModelUse
    """All texts together."""


class Evaluation(Contract):
    """The comparison of one backend with rules."""

    backend: str
    model: str = ""
    prompt: str = ""
    policy_sha256: Sha256
    """The rule pack that both backends decided by."""
    cases: Count
    fields: dict[str, FieldAgreement]
    differing: dict[str, tuple[str, ...]]
    """The fields that differ, by application; empty when the backends agree."""
    agents: dict[str, AgentEvaluation]
    total: ModelUse
