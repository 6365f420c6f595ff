"""Case files in the data folder, found by their id: a persona, or a plain case file."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from data.contracts.base import Contract
from data.contracts.case import CaseFile, Persona
from data.contracts.errors import (
    ContractViolationError,
    RecordCorruptError,
    RecordNotFoundError,
)
from data.strict_json import StrictJsonError, parse_json
from tools.base import tool

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_PERSONA_ONLY = frozenset(Persona.model_fields) - frozenset(CaseFile.model_fields)

FileContract = TypeVar("FileContract", bound=Contract)


@tool()
def load_case(data_dir: Path, case_id: str) -> CaseFile:
    """The case filed as `synthetic/<id>.json`, without the expected results of a persona.

    Raises RecordNotFoundError naming the id, or RecordCorruptError naming file and field.
    """
    content, path = _content(data_dir, case_id)
    for field in _PERSONA_ONLY:
        content.pop(field, None)
    return _held_to(CaseFile, content, path)


@tool()
def load_persona(data_dir: Path, persona_id: str) -> Persona:
    """A persona with its expected results. Raises the errors of `load_case`."""
    content, path = _content(data_dir, persona_id)
    return _held_to(Persona, content, path)


def case_ids(data_dir: Path) -> tuple[str, ...]:
    """The ids of all cases on file, in alphabetical order."""
    return tuple(sorted(path.stem for path in (data_dir / "synthetic").glob("*.json")))


def _content(data_dir: Path, case_id: str) -> tuple[dict[str, Any], Path]:
    """The parsed file. An id is a plain name, so it cannot name a file outside the folder."""
    if not _ID.fullmatch(case_id):
        raise RecordNotFoundError("no case is filed under an id of this form")
    folder = (data_dir / "synthetic").resolve()
    path = folder / f"{case_id}.json"
    if path.is_symlink() or not path.is_file():
        similar = get_close_matches(case_id, case_ids(data_dir), n=1)
        meant = f": did you mean {similar[0]}?" if similar else ""
        raise RecordNotFoundError(f"no case is filed under {case_id}{meant}")
    try:
        content = parse_json(path.read_bytes(), "the file")
    except StrictJsonError as error:
        raise RecordCorruptError(f"{path.name}: {error.message}") from None
    if not isinstance(content, dict):
        raise RecordCorruptError(f"{path.name}: not a JSON object")
    return content, path


def _held_to(contract: type[FileContract], content: dict[str, Any], path: Path) -> FileContract:
    try:
        return contract.model_validate_json(json.dumps(content))
    except ValidationError as error:
        violation = ContractViolationError.of(path.name, error)
        raise RecordCorruptError(violation.message) from None
