"""The desk's folder is for its owner alone: it holds the vault, the keys and the databases."""

from __future__ import annotations

import os
from pathlib import Path

from data.contracts.errors import ContractViolationError

_OWNER_ONLY = 0o700
_FILES_TOO = 0o077


def make_private(folder: Path) -> None:
    """Make the folder, or take it over, so that only this user can look into it.

    Every file that this process makes from now on is for its owner alone, too (umask). A folder
    that was open to others is closed. Raises ContractViolationError for a folder of another user.
    """
    os.umask(_FILES_TOO)
    folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise ContractViolationError(
            f"{folder} belongs to another user (uid {found.st_uid}): choose a folder of your own"
            " with --home or CREDIT_DESK_HOME, or run the desk as its owner"
        )
    if found.st_mode & _FILES_TOO:
        folder.chmod(_OWNER_ONLY)
