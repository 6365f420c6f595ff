"""Papers from the command line: a file of this machine becomes a paper on file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import options

_MEDIA_TYPES = {
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


def paper(
    application_id: Annotated[str, typer.Argument(metavar="APPLICATION", help="Whose file.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The paper.")],
    kind: Annotated[str, typer.Option(help="paystub, drivers_license, bank_statement, …")],
    paper_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id; by default the file's name.")
    ] = None,
    applicant: Annotated[str, typer.Option(help="Whose paper: primary or co.")] = "primary",
    media_type: Annotated[
        str | None, typer.Option(help="By default what the file's ending says.")
    ] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Add a paper to an application's file; the `documents` gate's answer then names its id."""
    from api.cli.client import find_desk
    from api.cli.output import print_json

    order = {
        "document_id": paper_id or file.stem,
        "kind": kind,
        "applicant": applicant,
        "media_type": media_type or _MEDIA_TYPES.get(file.suffix.lower(), "application/json"),
        "content_base64": _content(file),
    }

    async def asked() -> dict[str, Any]:
        async with find_desk(api, home) as desk:
            filed: dict[str, Any] = await desk.post(
                f"/applications/{application_id}/documents", order
            )
            return filed

    filed = asyncio.run(asked())
    if as_json:
        print_json(filed)
    else:
        size = f"{filed['size_bytes']:,} bytes"
        typer.echo(f"Filed {filed['document_id']} ({filed['kind']}, {size}) for {application_id}")


def _content(file: Path) -> str:
    """Raises ContractViolationError for a file that cannot be read."""
    import base64

    from data.contracts.errors import ContractViolationError

    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise ContractViolationError(f"{file} cannot be read: {error.strerror}") from None
