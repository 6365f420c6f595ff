"""Documents that an applicant hands in after the application."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from api.deps import ApplicationId, CallerDep, DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from flows.service.requests import FiledDocument, FileDocument

router = APIRouter(prefix="/applications", tags=["documents"], route_class=JsonRoute)


@router.post(
    "/{application_id}/documents",
    status_code=HTTPStatus.CREATED,
    responses=answers(400, 403, 404, 409, 413, 415, 422, 503)
    | {200: {"model": FiledDocument, "description": "The same document was on file already"}},
)
async def file_document(
    application_id: ApplicationId,
    body: FileDocument,
    desk: DeskDep,
    caller: CallerDep,
    response: Response,
) -> FiledDocument:
    """Add a document. The answer at the `documents` gate names it by its id.

    The same document again answers 200. Other content under the same id is a conflict.
    """
    filed, is_new = await desk.file_document(application_id, body, caller)
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return filed
