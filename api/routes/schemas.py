"""The JSON Schemas of what the desk sends and takes, one address each, for clients in any language.

They hold no case data, so they need no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.schemas import DecisionRecord, ProblemDetails
from data.contracts.errors import RecordNotFoundError
from data.contracts.events import Event
from data.contracts.review import MAY_ANSWER
from data.contracts.runs import RunSummary
from flows.review_forms import form_at

router = APIRouter(prefix="/schemas", include_in_schema=False)

_SENT: Mapping[str, type[BaseModel]] = {
    "run-event": Event,
    "run": RunSummary,
    "decision": DecisionRecord,
    "problem": ProblemDetails,
}
_FORMS = {f"form-{gate.replace('_', '-')}": gate for gate in MAY_ANSWER}
PATHS = frozenset(f"/schemas/{name}.json" for name in (*_SENT, *_FORMS))
"""The addresses of all published schemas."""


@router.get("/{name}.json")
async def read_schema(name: str) -> JSONResponse:
    """The schema of this name. A gate's open request has its form with the values of the case."""
    return JSONResponse(_schema(name), media_type="application/schema+json")


@cache
def _schema(name: str) -> dict[str, Any]:
    """Raises RecordNotFoundError for a name that is not published."""
    if name in _FORMS:
        schema = form_at(_FORMS[name]).model_json_schema()
    elif name in _SENT:
        schema = _SENT[name].model_json_schema(mode="serialization")
    else:
        raise RecordNotFoundError("the desk publishes no schema of this name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema
