"""The audit pack: the whole record of a run, signed."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import DeskDep, RunId
from api.problems import answers, header
from api.schemas import AuditPack

router = APIRouter(prefix="/runs", tags=["audit"])

_DISPOSITION = header("Content-Disposition", "A file name for the pack.")


@router.get(
    "/{run_id}/audit",
    response_class=Response,
    responses=answers(404, 503) | {200: {"model": AuditPack, "headers": _DISPOSITION}},
)
async def export_audit(run_id: RunId, desk: DeskDep) -> Response:
    """The whole record of a run in one file, signed with Ed25519.

    It holds the digests of the inputs, the versions, the hash-chained journal, the findings of
    agents, the answers of people and the decision. The signature is about the bytes: keep them as
    they are. `credit-desk audit verify` verifies them.
    """
    return Response(
        await desk.audit(run_id),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="audit-{run_id}.json"'},
    )
