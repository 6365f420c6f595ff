"""Applications: read them masked for the role of the caller, or erase their personal data."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import ApplicationId, CallerDep, DeskDep
from api.problems import answers
from api.responses import as_stored
from api.schemas import ApplicationView
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


@router.delete("/{application_id}", responses=answers(404, 409, 422, 503))
async def erase_application(
    application_id: ApplicationId, desk: DeskDep, caller: CallerDep
) -> Erased:
    """Erase the personal data of an application for good. A tombstone with its digests stays.

    409 while a run of the application goes on, or is under a legal hold. Erasing it again answers
    with the time of the first erasure.
    """
    return await desk.erase(application_id, caller)
