"""Fraud: does the application have signals of fraud?"""

from __future__ import annotations

from collections.abc import Mapping

from agents.base import Agent, ChatTool
from data.contracts.case import CaseFile
from data.contracts.findings import FindingStatus, FraudFinding
from data.contracts.fraud import FraudSignals
from tools.fraud_signals import fraud_band, fraud_score, fraud_typology, score_fraud_signals


class FraudAgent(Agent[CaseFile, FraudFinding]):
    """Adds up the fraud signals. Without device and network signals the finding is degraded."""

    name = "fraud"

    async def answer(self, question: CaseFile) -> FraudFinding:
        signals = score_fraud_signals(question)
        score = fraud_score(signals)
        complete = question.fraud_signals not in (None, FraudSignals())
        return FraudFinding(
            agent=self.label,
            agent_version=self.version,
            status=FindingStatus.OK if complete else FindingStatus.DEGRADED,
            evidence=tuple(signal.code for signal in signals),
            warnings=() if complete else ("fraud_signals_missing",),
            score=score,
            band=fraud_band(score),
            signals=signals,
            typology=fraud_typology(signals),
        )

    def chat_tools(self, question: CaseFile) -> Mapping[str, ChatTool]:
        return {"score_fraud_signals": lambda: score_fraud_signals(question)}
