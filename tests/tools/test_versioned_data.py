"""How a versioned file is read, and why a file is refused."""

from pathlib import Path

import pytest

from data.contracts.base import Contract, Rate
from data.contracts.errors import RecordCorruptError, RecordNotFoundError
from tools.versioned_data import load_versioned


class Table(Contract):
    version: str
    rate: Rate


def _write(folder: Path, text: str, name: str = "table.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    plain = _write(tmp_path, "version: '1'\nrate: 0.1299  # a comment\n")
    strict = _write(tmp_path, '{"version": "1", "rate": "0.1299"}', "table.json")

    assert load_versioned(plain, Table) == load_versioned(strict, Table)


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    path = _write(tmp_path, "version: '1'\nrate: 0.1\n")

    assert load_versioned(path, Table) is load_versioned(path, Table)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = _write(tmp_path, "version: '1'\nrate: 0.1\n")
    assert load_versioned(path, Table).rate * 10 == 1

    _write(tmp_path, "version: '1'\nrate: 0.25\n")

    assert load_versioned(path, Table).rate * 4 == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.yaml", "version: '1'\nrate: 0.1\nrate: 0.2\n"),
        ("t.json", '{"version": "1", "rate": 0.1, "rate": 0.2}'),
        ("t.yaml", "version: '1'\nrate: .nan\n"),
        ("t.json", '{"version": "1", "rate": NaN}'),
        ("t.yaml", "version: '1'\nrate: 0.1\nextra: 1\n"),
        ("t.yaml", "version: '1'\n"),
        ("t.yaml", "{"),
        ("t.json", "{"),
        ("t.yaml", ""),
        ("t.yaml", "!!python/object/apply:os.getcwd []"),
        ("t.json", "[" * 100_000),
    ],
)
def test_a_file_that_cannot_be_trusted_is_named_and_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(RecordCorruptError, match=name):
        load_versioned(_write(tmp_path, text, name), Table)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(b"version: \xff\xfe")

    with pytest.raises(RecordCorruptError, match=r"t\.yaml"):
        load_versioned(path, Table)


def test_the_refusal_names_the_field_and_not_its_value(tmp_path: Path) -> None:
    with pytest.raises(RecordCorruptError) as refused:
        load_versioned(_write(tmp_path, "version: '1'\nrate: 12,000.00\n"), Table)

    assert "/rate" in str(refused.value)
    assert "12,000" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordNotFoundError, match=r"nowhere\.yaml"):
        load_versioned(tmp_path / "nowhere.yaml", Table)
