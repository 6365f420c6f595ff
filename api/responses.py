"""Answers that routes build themselves."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response
from pydantic_core import to_json


def as_stored(value: dict[str, Any]) -> Response:
    """A JSON answer that keeps the fields, their order and their form as the ledger holds them.

    A route with this answer declares its contract for the OpenAPI page only. Reading an old record
    into today's contract could add fields, and its digest would not fit any more.
    """
    return Response(to_json(value), media_type="application/json")
