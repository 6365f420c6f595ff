"""Document intake: what is on the desk, and whether anything else is worth asking."""

from __future__ import annotations

import pytest

from data.contracts.errors import AgentError
from data.contracts.findings import Completeness
from data.contracts.review import Role
from data.contracts.underwriting import DocumentsOutcome
from flows.runtime.execution.gatekeeper import WaitingForReviewError
from flows.stages.doc_intake import ask_for_documents, take_in
from tests.flows.inline import Says, Silence, persona
from tests.flows.stages.at_work import Absent, at_work


async def test_a_complete_file_needs_no_papers() -> None:
    with at_work():
        intake = await take_in(persona("ada-prime").case)

    assert intake.finding.completeness is Completeness.COMPLETE
    assert not intake.needs_documents
    assert intake.stopped_by == ()


@pytest.mark.parametrize("name", ["erin-expired", "max-missing", "cora-corrupt"])
async def test_what_is_missing_stale_or_broken_has_to_be_sent(name: str) -> None:
    with at_work():
        intake = await take_in(persona(name).case)

    assert intake.needs_documents


async def test_a_minor_is_stopped_by_the_application_alone() -> None:
    with at_work() as run:
        intake = await take_in(persona("minnie-minor").case)

    assert intake.stopped_by
    assert not intake.needs_documents
    assert run.state.doc_intake == intake


async def test_the_request_names_the_documents_and_no_person() -> None:
    case = persona("max-missing").case
    with at_work(), pytest.raises(WaitingForReviewError) as caught:
        await ask_for_documents(case, await take_in(case))

    request = caught.value.request
    assert caught.value.gate == "documents"
    assert request.role is Role.INTAKE
    assert any("paystub" in reason for reason in request.reasons)
    assert set(request.facts["on_file"]) == {document.document_id for document in case.documents}
    for applicant in case.application.applicants:
        assert applicant.last_name not in request.model_dump_json()


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (Says("documents", "supplied", more={"document_ids": ["any"]}), DocumentsOutcome.SUPPLIED),
        (Says("documents", "withdraw"), DocumentsOutcome.WITHDRAWN),
        (Silence("documents"), DocumentsOutcome.EXPIRED),
    ],
    ids=["supplied", "withdrawn", "silent"],
)
async def test_what_came_of_asking_is_part_of_the_state(
    step: Says | Silence, outcome: DocumentsOutcome
) -> None:
    case = persona("max-missing").case
    with at_work(step) as run:
        assert await ask_for_documents(case, await take_in(case)) is outcome

    assert run.state.documents is outcome


async def test_without_its_agent_intake_fails_and_says_so() -> None:
    absent = Absent("doc_intake", RuntimeError("516-24-3907"))

    with at_work(doc_intake=absent), pytest.raises(AgentError) as caught:
        await take_in(persona("ada-prime").case)

    assert (caught.value.stage, caught.value.agent) == ("doc_intake", "doc_intake")
    assert "516-24-3907" not in str(caught.value)
