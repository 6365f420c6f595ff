"""A private file: for its owner alone, and there as a whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flows.runtime.host.private_file import private_file


def test_a_file_takes_its_name_when_it_is_whole_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(b"older")
    path.chmod(0o644)

    with private_file(path) as file:
        file.write(b"newer")
        file.flush()
        assert path.read_bytes() == b"older"

    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_after_an_error_the_folder_is_as_it_was_before(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"older")

    def write_half() -> None:
        with private_file(path) as file:
            file.write(b"half of it")
            raise error

    with pytest.raises(type(error)):
        write_half()

    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"

    with private_file(path) as first, private_file(path) as second:
        first.write(b"first")
        second.write(b"second")

    assert path.read_bytes() == b"first", "the one that ended last"
