"""The agents that work on a case, with the rulebook that the run has pinned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from agents.base import Agent
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
from agents.voice import NO_VOICE, Voice
from data.contracts.case import CaseFile
from data.contracts.decision import DecisionContent, Versions
from data.contracts.findings import (
    BureauFinding,
    DocIntakeFinding,
    FraudFinding,
    IncomeFinding,
    KycFinding,
    PricingFinding,
)
from data.contracts.notices import LetterWording, NoticeTerms
from data.contracts.questions import DecisionQuestion, PricingQuestion
from data.contracts.second_reading import SecondReading
from data.contracts.underwriting import Rulebook
from data.version import code_version
from tools.notices import load_notice_terms
from tools.policy import pack_sha256
from tools.watchlist import Watchlists


@dataclass(frozen=True)
class AgentRegistry:
    """The agents of one run, and the rulebook that they work by."""

    rulebook: Rulebook
    doc_intake: Agent[CaseFile, DocIntakeFinding]
    kyc: Agent[CaseFile, KycFinding]
    fraud: Agent[CaseFile, FraudFinding]
    income: Agent[CaseFile, IncomeFinding]
    bureau: Agent[CaseFile, BureauFinding]
    scorecard: ScorecardMember
    challenger: ChallengerMember
    affordability: AffordabilityAnalyst
    pricer: Agent[PricingQuestion, PricingFinding]
    writer: Agent[DecisionQuestion, DecisionContent]
    document_reader: Agent[CaseFile, SecondReading] | None
    """None when only the parser reads documents."""
    letter_worder: Agent[DecisionContent, LetterWording] | None
    """None when letters have the rules' words alone."""
    letterhead: NoticeTerms
    """The lender's details for letters. They are not pinned: a letter has those of its day."""

    @classmethod
    def with_rulebook(
        cls,
        rulebook: Rulebook,
        data_dir: Path,
        lists: Watchlists | None = None,
        voice: Voice = NO_VOICE,
    ) -> AgentRegistry:
        """Give the agents a rulebook, and watchlists: by default those of the data folder.

        Watchlists are not pinned: every screening uses today's. `voice` gives agents a chat model
        that words their findings.
        """
        worded = voice.of
        return cls(
            rulebook=rulebook,
            doc_intake=worded(DocIntakeAgent()),
            kyc=worded(KycAgent(lists or Watchlists.shipped(data_dir))),
            fraud=worded(FraudAgent()),
            income=worded(IncomeAgent()),
            bureau=worded(BureauReader(rulebook.policy.affordability.deferred_student_share)),
            scorecard=ScorecardMember(rulebook.scorecard),
            challenger=ChallengerMember(rulebook.challenger),
            affordability=AffordabilityAnalyst(rulebook.policy.affordability),
            pricer=worded(Pricer(rulebook.policy, rulebook.prices)),
            writer=worded(DecisionWriter()),
            document_reader=voice.document_reader(),
            letter_worder=voice.letter_worder(),
            letterhead=load_notice_terms(data_dir),
        )

    def versions(self, workflow: str, watchlist: str | None) -> Versions:
        """The versions that the decision's record names."""
        book = self.rulebook
        return Versions(
            workflow=workflow,
            policy=f"{book.policy.id}/{book.policy.version}/{_short(pack_sha256(book.policy))}",
            scorecard=f"{book.scorecard.name}/{book.scorecard.version}",
            challenger=f"{book.challenger.name}/{book.challenger.version}",
            price_table=f"{book.prices.table}/{book.prices.version}",
            authority=f"{book.authority.matrix}/{book.authority.version}",
            watchlist=watchlist,
            bundle=book.bundle or None,
            code=code_version(),
        )


_in_use: ContextVar[AgentRegistry] = ContextVar("agents")


@contextmanager
def use_agents(registry: AgentRegistry) -> Iterator[None]:
    """Let the stages inside the block ask these agents."""
    token = _in_use.set(registry)
    try:
        yield
    finally:
        _in_use.reset(token)


def agents() -> AgentRegistry:
    """The agents of the current run."""
    return _in_use.get()


def _short(digest: str) -> str:
    return digest[:12]
