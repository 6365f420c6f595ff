"""The desk's folder is for its owner alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.contracts.errors import ContractViolationError
from flows.runtime.host.private_folder import make_private


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The mask of the tests' own process, put back."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "desk"

    make_private(folder)
    (folder / "ledger.db").touch()

    assert (mode(folder), mode(folder / "ledger.db")) == (0o700, 0o600)


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir(mode=0o755)

    make_private(folder)

    assert mode(folder) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    os.chown(folder, 12345, -1)

    with pytest.raises(ContractViolationError, match=r"uid 12345.*--home"):
        make_private(folder)


def test_a_role_makes_its_folder_private_before_anything_else(tmp_path: Path) -> None:
    home = tmp_path / "desk"
    home.mkdir(mode=0o755)

    subprocess.run(
        [sys.executable, "-m", "api.cli", "deploy"],
        env={**os.environ, "CREDIT_DESK_HOME": str(home), "PREFECT_API_URL": "http://127.0.0.1:9"},
        capture_output=True,
        check=False,
    )

    assert mode(home) == 0o700
