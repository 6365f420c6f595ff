"""The workflow's map as a drawing. With a run, each node shows its state in that run."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import DeskDep, as_run_id
from api.problems import answers

router = APIRouter(prefix="/workflow", tags=["workflow"])


class Drawing(StrEnum):
    SVG = "svg"
    DOT = "dot"
    JSON = "json"


_MEDIA_TYPES = {
    Drawing.SVG: "image/svg+xml",
    Drawing.DOT: "text/vnd.graphviz",
    Drawing.JSON: "application/json",
}


@router.get(
    "/graph.{form}",
    response_class=Response,
    responses=answers(404, 422, 503)
    | {
        200: {
            "description": "The map",
            "content": {media_type: {} for media_type in _MEDIA_TYPES.values()},
        }
    },
)
async def draw(
    form: Drawing, desk: DeskDep, run_id: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """The map as SVG, DOT or JSON. With `run_id`, each node shows its state in that run."""
    drawn = await desk.graph(form.value, as_run_id(run_id) if run_id else None)
    return Response(drawn, media_type=_MEDIA_TYPES[form], headers={"Cache-Control": "no-store"})
