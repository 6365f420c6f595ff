"""Metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.deps import Accept, MetricsDep
from api.problems import answers

router = APIRouter(tags=["health"])

_TEXT = {"schema": {"type": "string"}}


@router.get(
    "/metrics",
    response_class=Response,
    responses=answers(503)
    | {
        200: {
            "description": "As `Accept` prefers; OpenMetrics has exemplars that name traces",
            "content": {"text/plain": _TEXT, "application/openmetrics-text": _TEXT},
        }
    },
)
async def read_metrics(page: MetricsDep, accept: Accept) -> Response:
    """The desk's figures for Prometheus, at most one second old.

    Every API process answers alike, except for `credit_desk_sse_clients`: take the maximum over
    instances, and the sum of that one.
    """
    text, media_type = await page.render(accept)
    return Response(text, headers={"Content-Type": media_type})
