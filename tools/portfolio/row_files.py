"""The files that a row names instead of holding their content.

A text in the place of a case, an application, a report or the fraud signals is the path of a JSON
file. A document may have `path` instead of `content_base64`; size and digest are then optional.
Paths are relative to the portfolio's folder, and no path leads out of it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic_core import from_json

from data.strict_json import StrictJsonError, parse_json
from tools.portfolio.records import MAX_ROW_BYTES, RowRefusedError, too_large

MAX_DOCUMENT_BYTES = 6_000_000
"""The largest file of a document: its base64 has the 8,000,000 characters of the contract."""

PATH_NOT_ALLOWED = "path_not_allowed"

PARTS = ("application", "bureau_report", "co_bureau_report", "fraud_signals")


def with_files(value: object, folder: Path) -> object:
    """The value of a row with the content of every file that it names.

    Raises RowRefusedError for a path that leaves the folder (`path_not_allowed`), for a file that
    is not there (`file_missing`), too large (`too_large`) or not JSON (`malformed_json`).
    """
    if isinstance(value, str):
        value = _json_file(folder, value, "")
    if not isinstance(value, dict):
        return value
    filled = {
        name: _json_file(folder, part, f"/{name}")
        if name in PARTS and isinstance(part, str)
        else part
        for name, part in value.items()
    }
    documents = filled.get("documents")
    if isinstance(documents, list):
        filled["documents"] = [
            _document(folder, document, f"/documents/{position}")
            for position, document in enumerate(documents)
        ]
    return filled


def application_id_of(outline: object, folder: Path) -> str | None:
    """The application id of a row or of the files that it names; None when it has none."""
    try:
        row = _loosely(folder, outline, "")
        part = row.get("application", row) if isinstance(row, dict) else None
        application = _loosely(folder, part, "/application")
    except (RowRefusedError, ValueError):
        return None
    chosen = application.get("application_id") if isinstance(application, dict) else None
    return chosen if isinstance(chosen, str) else None


def _loosely(folder: Path, value: object, pointer: str) -> object:
    if not isinstance(value, str):
        return value
    return from_json(_content(folder, value, pointer, MAX_ROW_BYTES))


def _json_file(folder: Path, path: str, pointer: str) -> object:
    try:
        return parse_json(_content(folder, path, pointer, MAX_ROW_BYTES), "the file")
    except StrictJsonError as error:
        raise RowRefusedError(pointer, error.code, error.message) from None


def _document(folder: Path, document: object, pointer: str) -> object:
    if isinstance(document, str):
        return _json_file(folder, document, pointer)
    if not isinstance(document, dict) or not isinstance(document.get("path"), str):
        return document
    described: dict[str, Any] = {name: part for name, part in document.items() if name != "path"}
    content = _content(folder, document["path"], f"{pointer}/path", MAX_DOCUMENT_BYTES)
    found = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return found | described | {"content_base64": base64.b64encode(content).decode()}


def _content(folder: Path, path: str, pointer: str, limit: int) -> bytes:
    try:
        file = open(_inside(folder, path, pointer), "rb", opener=_at_once)  # noqa: SIM115
    except OSError:
        raise _missing(pointer) from None
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _missing(pointer)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise too_large(pointer, "file", limit)
    return content


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe in the folder would block until another process writes."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _inside(folder: Path, path: str, pointer: str) -> Path:
    """The file of a path, with links followed, if it lies in the folder."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or "\\" in path:
        raise _not_allowed(pointer)
    try:
        root = folder.resolve()
        target = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError):
        raise _missing(pointer) from None
    if not target.is_relative_to(root):
        raise _not_allowed(pointer)
    return target


def _not_allowed(pointer: str) -> RowRefusedError:
    return RowRefusedError(
        pointer, PATH_NOT_ALLOWED, "write a path inside the portfolio's folder, relative to it"
    )


def _missing(pointer: str) -> RowRefusedError:
    return RowRefusedError(pointer, "file_missing", "there is no such file beside the portfolio")
