"""Applications: read them masked for the role of the caller, or erase their personal data."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import Addressee, ApplicationId, CallerDep, DeskDep, LetterForm
from api.problems import answers
from api.responses import LETTER, as_letter, as_stored
from api.schemas import ApplicationView, DecisionRecord
from data.contracts.application import ApplicantRole
from data.contracts.notices import SentNotice
from flows.service.requests import Erased

router = APIRouter(prefix="/applications", tags=["documents"])


@router.get(
    "/{application_id}",
    response_class=Response,
    responses=answers(404, 422, 503) | {200: {"model": ApplicationView}},
)
async def read_application(
    application_id: ApplicationId, desk: DeskDep, caller: CallerDep
) -> Response:
    """The application with its personal data masked.

    No role reads tax numbers, streets, or more of a birthday than its year here. Underwriters and
    compliance read the names.
    """
    return as_stored(await desk.application(application_id, caller))


@router.get(
    "/{application_id}/decision",
    response_class=Response,
    responses=answers(404, 422, 503) | {200: {"model": DecisionRecord}},
)
async def read_decision_on_application(application_id: ApplicationId, desk: DeskDep) -> Response:
    """The decision's content in its envelope, whether a run or a batch has taken it."""
    return as_stored(await desk.decision_on(application_id))


@router.get(
    "/{application_id}/notice",
    response_model=SentNotice,
    responses=answers(404, 422, 503) | LETTER,
)
async def read_notice_of_application(
    application_id: ApplicationId,
    desk: DeskDep,
    form: LetterForm,
    applicant: Addressee = ApplicantRole.PRIMARY,
) -> SentNotice | Response:
    """The letter about the decision on an application, whether a run or a batch has taken it."""
    return as_letter(await desk.notice_of_application(application_id, applicant), form)


@router.delete("/{application_id}", responses=answers(404, 409, 422, 503))
async def erase_application(
    application_id: ApplicationId, desk: DeskDep, caller: CallerDep
) -> Erased:
    """Erase the personal data of an application for good. A tombstone with its digests stays.

    409 while a run of the application goes on, or is under a legal hold. Erasing it again answers
    with the time of the first erasure.
    """
    return await desk.erase(application_id, caller)
