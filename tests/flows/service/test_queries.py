"""Personal data in the ledger: who reads it, and which names and ids the desk refuses."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from data.contracts.base import canonical_json
from data.contracts.documents import DocumentKind
from data.contracts.errors import (
    AuthorityError,
    ConflictError,
    ContractViolationError,
    RecordErasedError,
    TooLargeError,
)
from data.contracts.review import Channel, ReviewRequest, Role
from data.settings import Settings
from flows.runtime.ledger import applications, erasures, journal, restricted, reviews, runs, tables
from flows.runtime.ledger.database import Ledger
from flows.service import answers, documents
from flows.service.queries import DeskQueries
from flows.service.requests import Caller, ClaimRequest, FiledDocument, FileDocument
from tests.api.desks import RUN_ID
from tools.case_files import load_case
from tools.watchlist import Person, Watchlists, screen_watchlists

DATA = Settings().data_dir
PAT = load_case(DATA, "pat-potential")
PERSON = PAT.application.primary
PAYSLIP = FileDocument(
    document_id="payslip",
    kind=DocumentKind.PAYSTUB,
    content_base64=base64.b64encode(b'{"gross": "1.00"}').decode(),
)


MINUTES = 15
NOBODY = {
    "status": "clear",
    "list_name": "synthetic-sanctions",
    "list_date": "2026-10-01",
    "list_version": "0" * 64,
}


def caller(*roles: Role, name: str = "") -> Caller:
    return Caller(name=name, roles=roles, proven=bool(name), channel=Channel.HTTP)


@pytest.fixture
def queries(ledger: Ledger, tmp_path: Path) -> DeskQueries:
    return DeskQueries(Settings(home=tmp_path), ledger)


async def waits(ledger: Ledger, gate: str, role: Role, *, before_records: bool = False) -> None:
    """Pat's run has screened her, and asks at a gate."""
    screening = screen_watchlists(
        Watchlists.shipped(DATA),
        (Person(PERSON.full_name, PERSON.dob),),
        PAT.application.as_of_date,
    )
    kyc: dict[str, Any] = {
        "agent": "kyc",
        "agent_version": "1",
        "identity_status": "verified",
        "matches": [],
        "watchlist": screening.model_dump(mode="json"),
    }
    await on_file(ledger)
    await ledger.write(runs.register, RUN_ID, "application:pat", application_id="pat-potential")
    if not before_records:
        whole = screening.model_dump(mode="json")
        await ledger.write(restricted.keep, RUN_ID, "watchlist", whole)
        kyc["watchlist"] = whole | {"candidates": []}
    await ledger.write(journal.append, RUN_ID, [], state={"verification": {"kyc": kyc}})
    request = ReviewRequest(role=role, title="Look", summary="")
    await ledger.write(reviews.ask, RUN_ID, gate, 1, request)


async def file(ledger: Ledger, request: FileDocument) -> FiledDocument:
    """File a document for Pat, as intake."""
    filed, _ = await documents.file_document(
        ledger, Settings(), "pat-potential", request, caller(Role.INTAKE)
    )
    return filed


async def on_file(ledger: Ledger) -> None:
    digest = PAT.inputs_sha256()
    await ledger.write(applications.accept, "pat-potential", digest, canonical_json(PAT))


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (Role.COMPLIANCE, "Patricia"),
        (Role.UNDERWRITER, "Patricia"),
        (Role.SENIOR_UNDERWRITER, "Patricia"),
        (Role.INTAKE, "P***"),
    ],
)
async def test_a_role_that_decides_about_a_person_reads_the_name_and_the_year_of_birth(
    ledger: Ledger, queries: DeskQueries, role: Role, name: str
) -> None:
    await on_file(ledger)

    shown = await queries.application("pat-potential", caller(role))

    [person] = shown["applicants"]
    assert (person["first_name"], person["dob"]) == (name, "1980")
    assert person["ssn"] == f"***{PERSON.ssn[-4:]}"


@pytest.mark.parametrize("before_records", [False, True])
async def test_compliance_reads_whom_on_the_list_an_applicant_may_be(
    ledger: Ledger, queries: DeskQueries, before_records: bool
) -> None:
    await waits(ledger, "compliance", Role.COMPLIANCE, before_records=before_records)

    asked = await queries.open_request(RUN_ID, caller(Role.COMPLIANCE))

    [candidate] = asked.candidates
    assert candidate.entry is not None
    assert candidate.entry.names == ("Patrice Potential",)
    assert candidate.list_name == "synthetic-sanctions"
    assert (candidate.entry.programme, candidate.status) == ("PROLIFERATION", "potential")
    assert (candidate.dob_agrees, candidate.dob_is_equal) == (True, False)
    assert candidate.score > 80
    assert "Potential" not in json.dumps(asked.review.model_dump(mode="json"))


async def test_compliance_reads_the_screening_that_a_fork_shares_with_its_parent(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await waits(ledger, "compliance", Role.COMPLIANCE)
    parent = await ledger.read(runs.find, RUN_ID)
    lineage = {"parent_run_id": RUN_ID, "forked_at": "verified/1"}
    fork = {"application_id": "pat-potential", "state": dict(parent.state), "lineage": lineage}
    await ledger.write(runs.register, "fork", "fork:1", **fork)
    asks = ReviewRequest(role=Role.COMPLIANCE, title="Look", summary="")
    await ledger.write(reviews.ask, "fork", "compliance", 1, asks)

    shared = await queries.open_request("fork", caller(Role.COMPLIANCE))
    await ledger.write(restricted.keep, "fork", "watchlist", NOBODY)
    own = await queries.open_request("fork", caller(Role.COMPLIANCE))

    assert [candidate.status for candidate in shared.candidates] == ["potential"]
    assert own.candidates == ()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.COMPLIANCE}))
async def test_no_other_role_is_told_whom_an_applicant_may_be(
    ledger: Ledger, queries: DeskQueries, role: Role
) -> None:
    await waits(ledger, "compliance", Role.COMPLIANCE)

    asked = await queries.open_request(RUN_ID, caller(role))

    assert asked.candidates == ()
    assert "Potential" not in asked.model_dump_json()


async def test_where_credit_is_asked_compliance_reads_no_names(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await waits(ledger, "underwriter", Role.UNDERWRITER)

    assert (await queries.open_request(RUN_ID, caller(*Role))).candidates == ()


@pytest.mark.parametrize(
    "reviewer", [PERSON.ssn, f"born {PERSON.dob}", PERSON.email, "531-40-9207", PERSON.phone]
)
async def test_a_claim_in_a_name_that_tells_too_much_is_refused(
    ledger: Ledger, queries: DeskQueries, reviewer: str
) -> None:
    await waits(ledger, "underwriter", Role.UNDERWRITER)
    by = caller(Role.UNDERWRITER)

    request = ClaimRequest(reviewer=reviewer)
    for attempt in (
        answers.claim(ledger, RUN_ID, request, by, MINUTES),
        answers.release(ledger, RUN_ID, request, by),
    ):
        with pytest.raises(ContractViolationError) as refused:
            await attempt
        assert [found.pointer for found in refused.value.problems] == ["/reviewer"]
        assert reviewer not in str(refused.value)

    assert (await queries.inbox()).items[0].claim is None


async def test_a_proven_claim_is_in_the_key_s_name_whatever_was_typed(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await waits(ledger, "underwriter", Role.UNDERWRITER)
    request = ClaimRequest(reviewer=PERSON.ssn)
    ursula = caller(Role.UNDERWRITER, name="ursula")

    claim = await answers.claim(ledger, RUN_ID, request, ursula, MINUTES)

    assert claim.reviewer == "ursula"
    with pytest.raises(AuthorityError):
        await answers.claim(ledger, RUN_ID, request, caller(Role.INTAKE), MINUTES)


@pytest.mark.parametrize("told", ["P392393525", "1980-03-02", "525393293x"])
async def test_a_document_is_not_filed_under_an_id_that_repeats_personal_data(
    ledger: Ledger, queries: DeskQueries, told: str
) -> None:
    await on_file(ledger)
    request = PAYSLIP.model_copy(update={"document_id": f"scan-{told}"})

    with pytest.raises(ContractViolationError) as refused:
        await documents.file_document(
            ledger, Settings(), "pat-potential", request, caller(Role.INTAKE)
        )

    assert [found.pointer for found in refused.value.problems] == ["/document_id"]
    assert told not in str(refused.value)
    assert (await ledger.read(applications.filed, "pat-potential")).documents == ()


async def test_a_document_is_not_filed_under_its_own_number(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await on_file(ledger)
    licence = json.loads(base64.b64decode(PAT.documents[0].content_base64))
    content = json.dumps(licence | {"number": "ZQ-998877-1"}).encode()
    request = FileDocument(
        document_id="zq9988771",
        kind=DocumentKind.DRIVERS_LICENSE,
        content_base64=base64.b64encode(content).decode(),
    )

    with pytest.raises(ContractViolationError, match="document number"):
        await documents.file_document(
            ledger, Settings(), "pat-potential", request, caller(Role.INTAKE)
        )


async def test_a_full_file_takes_no_document_and_says_how_many_it_takes(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await on_file(ledger)
    settings, by = Settings(max_documents=len(PAT.documents) + 1), caller(Role.INTAKE)
    another = PAYSLIP.model_copy(update={"document_id": "payslip-2"})
    await documents.file_document(ledger, settings, "pat-potential", PAYSLIP, by)

    again, is_new = await documents.file_document(ledger, settings, "pat-potential", PAYSLIP, by)
    with pytest.raises(ConflictError, match=f"takes {settings.max_documents} at most"):
        await documents.file_document(ledger, settings, "pat-potential", another, by)

    assert (again.document_id, is_new) == (PAYSLIP.document_id, False)


async def test_later_documents_take_no_more_bytes_than_allowed(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await on_file(ledger)

    with pytest.raises(TooLargeError, match="may take 100 bytes; with this one"):
        await documents.file_document(
            ledger, Settings(max_document_bytes=100), "pat-potential", PAYSLIP, caller(Role.INTAKE)
        )

    assert (await ledger.read(applications.filed, "pat-potential")).documents == ()


async def test_a_document_that_was_read_while_its_application_was_erased_is_not_kept(
    ledger: Ledger, queries: DeskQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_file(ledger)
    checked = documents._checked

    def erased_meanwhile(*given: Any) -> Any:
        with ledger.writing() as connection:
            erasures.erase(connection, "pat-potential", lambda _: "")
        return checked(*given)

    monkeypatch.setattr(documents, "_checked", erased_meanwhile)
    with pytest.raises(RecordErasedError):
        await documents.file_document(
            ledger, Settings(), "pat-potential", PAYSLIP, caller(Role.INTAKE)
        )

    with ledger.reading() as connection:
        assert connection.execute(sa.select(tables.documents)).all() == []


async def test_the_audit_pack_names_a_document_by_the_digest_that_its_filing_answered(
    ledger: Ledger, queries: DeskQueries
) -> None:
    await waits(ledger, "underwriter", Role.UNDERWRITER)
    filed, _ = await documents.file_document(
        ledger, Settings(), "pat-potential", PAYSLIP, caller(Role.INTAKE)
    )

    pack: dict[str, Any] = json.loads(await queries.audit(RUN_ID))

    [document] = pack["run"]["inputs"]["documents"]
    content = base64.b64decode(PAYSLIP.content_base64)
    assert document["sha256"] == filed.sha256 == hashlib.sha256(content).hexdigest()
