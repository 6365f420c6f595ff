"""Audit: a run's whole record, signed, for readers who trust nobody."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import DeskDep, RunId
from api.problems import answers

router = APIRouter(prefix="/runs", tags=["audit"])


@router.get(
    "/{run_id}/audit",
    response_class=Response,
    responses=answers(404, 503)
    | {200: {"description": "The signed pack", "content": {"application/json": {}}}},
)
async def export_audit(run_id: RunId, desk: DeskDep) -> Response:
    """Everything about a run in one file: digests of the inputs, versions, the hash-chained
    journal, what agents found, what people did, the decision. Ed25519-signed.

    Its bytes are what is signed: keep them as they come. `credit-desk audit verify` proves them.
    """
    return Response(
        await desk.audit(run_id),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="audit-{run_id}.json"'},
    )
