"""Files that commands read and write, with errors that name them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

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


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, or take one that is there.

    Raises ContractViolationError when no file can be written there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ContractViolationError(f"{path} cannot be written: {error.strerror}") from None
