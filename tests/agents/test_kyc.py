"""KYC verifies identities and screens the watchlist. Without a current list it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from agents.kyc import KycAgent
from data.contracts.bureau import BureauAlert
from data.contracts.case import CaseFile
from data.contracts.documents import IDENTITY_KINDS
from data.contracts.errors import ContractViolationError
from data.contracts.findings import (
    FindingStatus,
    IdentityDocumentStatus,
    IdentityStatus,
    KycFinding,
    MatchLevel,
)
from data.contracts.screening import WatchlistStatus
from tools.base import recorded_calls
from tools.case_files import case_ids, load_case, load_persona
from tools.watchlist import Watchlists, WatchlistUnavailableError

DATA = Path("data")
LISTS = Watchlists.shipped(DATA)


async def _kyc(case: CaseFile) -> KycFinding:
    return await KycAgent(LISTS).run(case)


async def test_the_identity_of_ada_is_verified() -> None:
    finding = await _kyc(load_case(DATA, "ada-prime"))

    assert finding.identity_status is IdentityStatus.VERIFIED
    assert finding.status is FindingStatus.OK
    assert finding.watchlist.status is WatchlistStatus.CLEAR
    (match,) = finding.matches
    assert {match.name.level, match.dob.level, match.address.level, match.ssn.level} == {
        MatchLevel.EXACT
    }
    assert finding.evidence == ("licence-primary",)


@pytest.mark.parametrize(
    ("case_id", "status"),
    [
        ("sam-sanction", WatchlistStatus.TRUE_MATCH),
        ("sam-namesake", WatchlistStatus.CLEAR),
        ("pat-potential", WatchlistStatus.POTENTIAL),
    ],
)
async def test_the_list_finds_sam_doubts_pat_and_clears_the_namesake(
    case_id: str, status: WatchlistStatus
) -> None:
    finding = await _kyc(load_case(DATA, case_id))

    assert finding.watchlist.status is status
    assert len(finding.watchlist.candidates) == 1


async def test_no_other_persona_is_near_the_list() -> None:
    listed = {"sam-sanction", "sam-namesake", "pat-potential"}

    for case_id in set(case_ids(DATA)) - listed:
        assert (await _kyc(load_case(DATA, case_id))).watchlist.candidates == ()


async def test_a_renewed_licence_takes_the_place_of_the_expired_one() -> None:
    erin = load_persona(DATA, "erin-expired")

    before = await _kyc(erin.case)
    after = await _kyc(erin.with_document(erin.later_documents[0]))

    assert before.matches[0].document_status is IdentityDocumentStatus.EXPIRED
    assert before.identity_status is IdentityStatus.PARTIAL
    assert before.status is FindingStatus.DEGRADED
    assert after.matches[0].document_id == "renewed-licence-primary"
    assert after.identity_status is IdentityStatus.VERIFIED


async def test_an_alert_is_handled_by_proving_the_identity() -> None:
    alma = load_case(DATA, "alma-alert")
    others = tuple(document for document in alma.documents if document.kind not in IDENTITY_KINDS)

    proven = await _kyc(alma)
    unproven = await _kyc(alma.model_copy(update={"documents": others}))

    assert proven.alerts_handled == (BureauAlert.ACTIVE_DUTY,)
    assert proven.warnings == ()
    assert unproven.alerts_handled == ()
    assert unproven.warnings == ("alert_open:active_duty",)
    assert unproven.matches[0].document_status is IdentityDocumentStatus.MISSING


async def test_an_identity_document_that_cannot_be_read_is_unsupported() -> None:
    ada = load_case(DATA, "ada-prime")
    scan = ada.documents[0].model_copy(update={"media_type": "application/pdf"})

    finding = await _kyc(ada.model_copy(update={"documents": (scan, *ada.documents[1:])}))

    assert finding.matches[0].document_status is IdentityDocumentStatus.UNSUPPORTED
    assert finding.identity_status is IdentityStatus.PARTIAL


async def test_both_of_two_applicants_are_matched() -> None:
    finding = await _kyc(load_case(DATA, "jo-kit-joint"))

    assert [match.applicant for match in finding.matches] == ["primary", "co"]
    assert [match.ssn.level for match in finding.matches] == [MatchLevel.EXACT, MatchLevel.EXACT]


@pytest.mark.parametrize("limit", [6, 7])
async def test_a_list_that_is_too_old_leaves_the_question_unanswered(limit: int) -> None:
    agent = KycAgent(replace(LISTS, max_age_days=limit))
    case = load_case(DATA, "ada-prime")

    if limit == 7:
        assert (await agent.run(case)).watchlist.status is WatchlistStatus.CLEAR
    else:
        with pytest.raises(WatchlistUnavailableError) as refused:
            await agent.run(case)
        assert refused.value.agent == "kyc"


async def test_a_missing_list_leaves_the_question_unanswered(tmp_path: Path) -> None:
    with pytest.raises(WatchlistUnavailableError):
        await KycAgent(replace(LISTS, folders=(tmp_path,))).run(load_case(DATA, "ada-prime"))


async def test_document_then_match_then_list() -> None:
    case = load_case(DATA, "ada-prime")

    with recorded_calls() as calls:
        await _kyc(case)

    assert [call.name for call in calls] == [
        "read_document",
        "verify_identity_document",
        "match_identity",
        "screen_watchlists",
    ]


async def test_a_finding_tells_nothing_about_the_person() -> None:
    sam = load_case(DATA, "sam-sanction")

    written = (await _kyc(sam)).model_dump_json()

    applicant = sam.application.primary
    for secret in (
        applicant.first_name,
        applicant.last_name,
        applicant.ssn,
        applicant.dob.isoformat(),
        applicant.phone,
    ):
        assert secret
        assert secret not in written


async def test_a_question_of_another_type_is_refused() -> None:
    with pytest.raises(ContractViolationError, match="not a CaseFile"):
        await KycAgent(LISTS).run(cast(CaseFile, load_case(DATA, "ada-prime").application))
