"""The fraud agent adds up signals and reports missing signals."""

from __future__ import annotations

from pathlib import Path

from agents.fraud import FraudAgent
from data.contracts.documents import BankStatement, DocumentKind
from data.contracts.findings import FindingStatus, FraudBand, Typology
from data.synthetic.builder import json_document
from tools.case_files import load_case
from tools.documents import content_of

DATA = Path("data")


async def test_an_ordinary_application_is_of_no_concern() -> None:
    finding = await FraudAgent().run(load_case(DATA, "ada-prime"))

    assert (finding.score, finding.band, finding.typology) == (0, FraudBand.LOW, None)
    assert finding.status is FindingStatus.OK


async def test_the_account_of_another_person_refers() -> None:
    ada = load_case(DATA, "ada-prime")
    paper = next(paper for paper in ada.documents if paper.kind is DocumentKind.BANK_STATEMENT)
    content = content_of(paper)
    assert isinstance(content, BankStatement)
    shown = content.model_copy(update={"holder_name": "Otto Fremd", "account_last4": "9999"})
    strange = json_document("strange", DocumentKind.BANK_STATEMENT, shown)

    finding = await FraudAgent().run(ada.with_document(strange))

    assert finding.band is FraudBand.MEDIUM


async def test_syd_is_a_synthetic_identity() -> None:
    finding = await FraudAgent().run(load_case(DATA, "syd-synthetic"))

    assert finding.score == 850
    assert finding.band is FraudBand.CRITICAL
    assert finding.typology is Typology.SYNTHETIC
    assert finding.score == sum(signal.weight for signal in finding.signals)


async def test_without_device_signals_the_answer_is_degraded_and_still_counts_the_rest() -> None:
    syd = load_case(DATA, "syd-synthetic").model_copy(update={"fraud_signals": None})

    finding = await FraudAgent().run(syd)

    assert finding.status is FindingStatus.DEGRADED
    assert finding.warnings == ("fraud_signals_missing",)
    assert finding.score == 600, "300 for the number, 200 for the accounts, 100 for the file"
    assert finding.band is FraudBand.HIGH


async def test_a_copy_under_another_id_has_the_same_signals() -> None:
    syd = load_case(DATA, "syd-synthetic")

    assert await FraudAgent().run(syd) == await FraudAgent().run(syd.renamed("somebody-else"))
