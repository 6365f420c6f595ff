"""Batches: start, read, follow, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from api.deps import BatchId, CallerDep, DeskDep, HubDep, Position, StillAuthorized
from api.json_route import JsonRoute, parse, read_json
from api.problems import LOCATION, MalformedRequestError, answers
from api.sse import EventStream, stream
from data.contracts.batch import BatchLine, BatchPage, BatchSummary, RejectedLine, StartBatch
from data.contracts.errors import ContractViolationError, Problem, TooLargeError
from data.contracts.events import Event
from data.contracts.runs import RunOptions
from data.settings import Settings
from flows.portfolio.file_names import ENDINGS
from flows.runtime.ledger.journal import Journaled
from flows.service import batches
from flows.service.batches import PortfolioFile
from flows.service.requests import ScreeningRecord

router = APIRouter(prefix="/batches", tags=["batches"], route_class=JsonRoute)


class JsonLines(StreamingResponse):
    """One JSON object a line, sent as they are read."""

    media_type = "application/x-ndjson"


_FORM = "multipart/form-data"
_NAMES = ", ".join(f"`…{ending}`" for ending in ENDINGS)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/StartBatch"}},
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": f"The portfolio, named {_NAMES}",
                        },
                        "options": {
                            "type": "string",
                            "description": "The options as JSON, as in `StartBatch`.",
                        },
                    },
                }
            },
        },
    }
}


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=_BODY,
    responses=answers(400, 404, 413, 415, 422, 503)
    | {
        200: {
            "model": BatchSummary,
            "description": "The desk knew the file: the same batch",
            "headers": LOCATION,
        },
        202: {"headers": LOCATION},
    },
)
async def start_batch(
    request: Request, desk: DeskDep, caller: CallerDep, response: Response
) -> BatchSummary:
    """Underwrite a portfolio: an uploaded file, or one that lies in the inbox of the desk.

    The same content with the same options again answers 200 with the same batch. A batch that
    failed or was cancelled goes on with the chunks that are left.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _FORM:
        file = await _uploaded(request, desk.batches.settings)
    else:
        named = _held_to(StartBatch, await read_json(request))
        file = await batches.in_inbox(desk.batches.settings, named)
    batch, is_new = await desk.start_batch(file, caller)
    response.status_code = HTTPStatus.ACCEPTED if is_new else HTTPStatus.OK
    response.headers["Location"] = f"/batches/{batch.batch_id}"
    return batch


@router.get("", responses=answers(400, 422, 503))
async def list_batches(
    desk: DeskDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> BatchPage:
    """Batches, newest first."""
    return await desk.batches.page(limit, cursor)


@router.get("/{batch_id}", responses=answers(404, 503))
async def read_batch(batch_id: BatchId, desk: DeskDep) -> BatchSummary:
    """How far a batch is, its totals, and what people have ruled on its referred cases."""
    return await desk.batches.find(batch_id)


@router.get(
    "/{batch_id}/events",
    response_class=EventStream,
    responses=answers(400, 404, 503)
    | {
        200: {"model": Event, "description": "One frame per event: `id`, `event`, `data`"},
        204: {"description": "The batch has ended, and the client has its last event"},
    },
)
async def follow_batch(
    batch_id: BatchId, hub: HubDep, after: Position, still_authorized: StillAuthorized
) -> Response:
    """Every event of the batch so far, then each new one. `run_id` in an event is the batch's id.

    `batch.progress` comes about once a second. `waiting` says that every row is done and people
    have to rule on the referred cases; the stream goes on until they have.
    """
    if await hub.has_nothing_after(batch_id, after, Journaled.BATCH):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return stream(hub.follow(batch_id, after, still_authorized))


@router.get(
    "/{batch_id}/decisions",
    response_class=JsonLines,
    responses=answers(404, 503)
    | {200: {"model": BatchLine, "description": "One JSON object a line, as they are known now"}},
)
async def read_decisions(batch_id: BatchId, desk: DeskDep) -> Response:
    """One line per accepted application, in the order of the file."""
    return _lines(await desk.batches.decisions(batch_id))


@router.get(
    "/{batch_id}/rejects",
    response_class=JsonLines,
    responses=answers(404, 503)
    | {200: {"model": RejectedLine, "description": "One JSON object a line"}},
)
async def read_rejects(batch_id: BatchId, desk: DeskDep) -> Response:
    """What is wrong with the rejected rows: line, field, code."""
    return _lines(await desk.batches.rejects(batch_id))


@router.get(
    "/{batch_id}/screenings",
    response_class=JsonLines,
    responses=answers(404, 503)
    | {200: {"model": ScreeningRecord, "description": "One JSON object a line"}},
)
async def read_screenings(batch_id: BatchId, desk: DeskDep) -> Response:
    """The whole watchlist screening of every application that the batch decided.

    Those of referred applications are at `GET /screenings`, when their runs are open.
    """
    return _lines(await desk.batches.screenings(batch_id))


@router.post("/{batch_id}/cancel", responses=answers(404, 409, 503))
async def cancel_batch(batch_id: BatchId, desk: DeskDep, caller: CallerDep) -> BatchSummary:
    """Stop a batch after the chunks under way. What they have decided stays decided."""
    return await desk.cancel_batch(batch_id, caller)


def _lines(portions: AsyncIterator[bytes]) -> Response:
    return JsonLines(portions)


async def _uploaded(request: Request, settings: Settings) -> PortfolioFile:
    """The file of a form. Raises TooLargeError beyond the size that the settings allow."""
    bounded = Request(request.scope, _bounded(request, settings.batch_max_bytes))
    try:
        async with bounded.form(max_files=1, max_fields=1) as form:
            sent, options = form.get("file"), form.get("options", "{}")
            if not isinstance(sent, UploadFile) or not isinstance(options, str):
                raise _missing_file()
            asked = _held_to(RunOptions, parse(options.encode()), "/options")
            return await batches.from_upload(settings, sent.file, sent.filename or "", asked)
    except (HTTPException, KeyError, UnicodeError):  # the first is the parser's refusal
        raise MalformedRequestError("the form cannot be read") from None


def _bounded(request: Request, limit: int) -> Any:
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLargeError(f"the file is too large: send at most {limit:,} bytes")
        return message

    return receive


def _held_to(contract: type[Any], value: Any, place: str = "") -> Any:
    try:
        return contract.model_validate(value)
    except ValidationError as error:
        violation = ContractViolationError.of("batch", error)
        problems = [
            Problem(f"{place}{found.pointer}", found.code, found.message)
            for found in violation.problems
        ]
        raise ContractViolationError(violation.message, problems) from None


def _missing_file() -> ContractViolationError:
    message = "send the portfolio as the field 'file' of a complete form"
    return ContractViolationError(message, [Problem("/file", "missing", message)])
