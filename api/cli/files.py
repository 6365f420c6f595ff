"""Files that commands read and write, with errors that name them."""

from __future__ import annotations

from pathlib import Path

from data.contracts.errors import ContractViolationError


def read_file(path: Path) -> bytes:
    """The content of a file. Raises ContractViolationError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContractViolationError(f"{path} cannot be read: {error.strerror}") from None


def write_file(path: Path, text: str) -> None:
    """Write a text as UTF-8. Raises ContractViolationError when the file cannot be written."""
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        raise ContractViolationError(f"{path} cannot be written: {error.strerror}") from None
