"""Documents from the command line: a file of this machine goes into the file of a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli import options
from api.cli.asking import ask

_MEDIA_TYPES = {
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


def document(
    application_id: Annotated[
        str, typer.Argument(metavar="APPLICATION", help="The id of the application.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document.")],
    kind: Annotated[str, typer.Option(help="paystub, drivers_license, bank_statement, …")],
    document_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id; by default the file's name.")
    ] = None,
    applicant: Annotated[
        str, typer.Option(help="The applicant of the document: primary or co.")
    ] = "primary",
    media_type: Annotated[str | None, typer.Option(help="By default from the file's name.")] = None,
    as_json: options.AsJson = False,
    api: options.Api = None,
    home: options.Home = None,
) -> None:
    """Add a document to an application. The answer at the `documents` gate names its id."""
    import base64

    from api.cli.files import read_file
    from api.cli.output import print_json

    body = {
        "document_id": document_id or file.stem,
        "kind": kind,
        "applicant": applicant,
        "media_type": media_type or _MEDIA_TYPES.get(file.suffix.lower(), "application/json"),
        "content_base64": base64.b64encode(read_file(file)).decode(),
    }
    path = f"/applications/{application_id}/documents"
    filed = ask(api, home, lambda desk: desk.post(path, body))
    if as_json:
        print_json(filed)
    else:
        size = f"{filed['size_bytes']:,} bytes"
        typer.echo(f"Filed {filed['document_id']} ({filed['kind']}, {size}) for {application_id}")
