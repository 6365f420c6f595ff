"""The Model Context Protocol: the desk's read-only tools for language models."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.mcp.endpoint import PATH, ToolAnswer, require_installed

router = APIRouter()


@router.post(PATH, include_in_schema=False)
async def call_mcp() -> Response:
    """One message of the protocol. 501 with the install line without the extra."""
    require_installed()
    return ToolAnswer()
