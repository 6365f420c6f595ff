"""Who works on a case: the agents, equipped with the rulebook that the run has pinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from agents.credit_risk import (
    AffordabilityAnalyst,
    BureauReader,
    ChallengerMember,
    ScorecardMember,
)
from agents.doc_intake import DocIntakeAgent
from agents.fraud import FraudAgent
from agents.income import IncomeAgent
from agents.kyc import KycAgent
from agents.underwriter import DecisionWriter, Pricer
from data.contracts.base import sha256_of
from data.contracts.decision import Versions
from data.contracts.underwriting import Rulebook
from tools.watchlist import watchlist_file


@dataclass(frozen=True)
class AgentRegistry:
    """The six agents of one run."""

    rulebook: Rulebook
    doc_intake: DocIntakeAgent
    kyc: KycAgent
    fraud: FraudAgent
    income: IncomeAgent
    bureau: BureauReader
    scorecard: ScorecardMember
    challenger: ChallengerMember
    affordability: AffordabilityAnalyst
    pricer: Pricer
    writer: DecisionWriter

    @classmethod
    def with_rulebook(cls, rulebook: Rulebook, data_dir: Path) -> AgentRegistry:
        """Equip the agents. The watchlist is always today's: nobody is cleared by an old one."""
        return cls(
            rulebook=rulebook,
            doc_intake=DocIntakeAgent(),
            kyc=KycAgent(watchlist_file(data_dir)),
            fraud=FraudAgent(),
            income=IncomeAgent(),
            bureau=BureauReader(),
            scorecard=ScorecardMember(rulebook.scorecard),
            challenger=ChallengerMember(rulebook.challenger),
            affordability=AffordabilityAnalyst(rulebook.policy.affordability),
            pricer=Pricer(rulebook.policy, rulebook.prices),
            writer=DecisionWriter(),
        )

    def versions(self, workflow: str, watchlist: str | None) -> Versions:
        """What was in force, for the decision's record."""
        book = self.rulebook
        return Versions(
            workflow=workflow,
            policy=f"{book.policy.id}/{book.policy.version}/{_short(sha256_of(book.policy))}",
            scorecard=f"{book.scorecard.name}/{book.scorecard.version}",
            challenger=f"{book.challenger.name}/{book.challenger.version}",
            price_table=f"{book.prices.table}/{book.prices.version}",
            authority=f"{book.authority.matrix}/{book.authority.version}",
            watchlist=watchlist,
            code=version("credit-desk-lite"),
        )


_on_duty: ContextVar[AgentRegistry] = ContextVar("staff")


@contextmanager
def use_agents(staff: AgentRegistry) -> Iterator[None]:
    """Let the stages inside the block ask these agents."""
    token = _on_duty.set(staff)
    try:
        yield
    finally:
        _on_duty.reset(token)


def agents() -> AgentRegistry:
    """Whoever is on duty for the run under way."""
    return _on_duty.get()


def _short(digest: str) -> str:
    return digest[:12]
