"""Papers: what an applicant hands in after the application."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.deps import CallerDep, DeskDep
from api.json_route import JsonRoute
from api.problems import answers
from flows.service.requests import FiledDocument, FileDocument

router = APIRouter(prefix="/applications", tags=["papers"], route_class=JsonRoute)


@router.post(
    "/{application_id}/documents",
    status_code=HTTPStatus.CREATED,
    responses=answers(400, 403, 404, 409, 413, 415, 422, 503)
    | {200: {"model": FiledDocument, "description": "On file already: the same paper"}},
)
async def file_document(
    application_id: Annotated[str, Path(max_length=64)],
    paper: FileDocument,
    desk: DeskDep,
    caller: CallerDep,
    response: Response,
) -> FiledDocument:
    """Add a paper. The `documents` gate's answer then names it by its id.

    The same paper again is answered by 200; other content under the same id is a conflict.
    """
    filed, is_new = await desk.file_document(application_id, paper, caller)
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return filed
