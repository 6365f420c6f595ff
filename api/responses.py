"""Answers that routes build themselves."""

from __future__ import annotations

from typing import Any

from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from pydantic_core import to_json

from api.security.headers import STYLED_PAGE
from data.contracts.notices import SentNotice

LETTER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "As `Accept` prefers; JSON by default",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "text/html": {"schema": {"type": "string"}},
        },
    }
}
"""What OpenAPI says about a route that answers with a letter."""


def as_stored(value: dict[str, Any]) -> Response:
    """A JSON answer that keeps the fields, their order and their form as the ledger holds them.

    A route with this answer declares its contract for the OpenAPI page only. Reading an old record
    into today's contract could add fields, and its digest would not fit any more.
    """
    return Response(to_json(value), media_type="application/json")


def as_letter(letter: SentNotice, form: str) -> SentNotice | Response:
    """A letter in one of its forms. The page may use its own styles, and loads nothing."""
    match form:
        case "text/plain":
            return PlainTextResponse(letter.text)
        case "text/html":
            return HTMLResponse(letter.html, headers={"Content-Security-Policy": STYLED_PAGE})
    return letter
