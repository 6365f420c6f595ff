"""A case is found by its id, and no other file is opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.contracts.errors import RecordCorruptError, RecordNotFoundError
from tools.base import recorded_calls
from tools.case_files import case_ids, load_case, load_persona

DATA = Path("data")


@pytest.fixture
def desk_data(tmp_path: Path) -> Path:
    """A data folder with one case in it."""
    (tmp_path / "synthetic").mkdir()
    shutil.copy(DATA / "synthetic" / "ada-prime.json", tmp_path / "synthetic")
    return tmp_path


def test_a_persona_is_found_by_the_slug_of_its_name() -> None:
    assert load_persona(DATA, "ada-prime").persona.name == "Ada Prime"
    assert load_case(DATA, "ada-prime").application.primary.first_name == "Ada"


def test_every_case_on_file_can_be_loaded() -> None:
    assert len(case_ids(DATA)) == 25
    for case_id in case_ids(DATA):
        assert load_case(DATA, case_id).application.application_id == case_id


def test_an_unknown_id_is_named() -> None:
    with pytest.raises(RecordNotFoundError, match="no-such-case"):
        load_case(DATA, "no-such-case")


@pytest.mark.parametrize(
    "case_id",
    ["../ada-prime", "/etc/passwd", "..", "", "ada prime", "a/b", "ada-prime\n", "a" * 65],
)
def test_an_id_cannot_point_outside_of_the_folder(case_id: str) -> None:
    with pytest.raises(RecordNotFoundError, match="no case is filed under an id of this form"):
        load_case(DATA, case_id)


def test_a_link_is_not_followed(desk_data: Path) -> None:
    (desk_data / "secret.json").write_text((DATA / "synthetic/ada-prime.json").read_text())
    (desk_data / "synthetic" / "linked.json").symlink_to(desk_data / "secret.json")

    with pytest.raises(RecordNotFoundError, match="linked"):
        load_case(desk_data, "linked")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "", '{"a": 1, "a": 2}', '{"a": NaN}', "\xff", "[" * 100_000],
)
def test_a_file_that_is_no_json_object_is_named(desk_data: Path, text: str) -> None:
    (desk_data / "synthetic" / "torn.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(RecordCorruptError, match=r"torn\.json"):
        load_case(desk_data, "torn")


def test_a_file_that_breaks_its_contract_is_named_with_the_field_and_without_the_value(
    desk_data: Path,
) -> None:
    path = desk_data / "synthetic" / "ada-prime.json"
    content = json.loads(path.read_text())
    content["application"]["applicants"][0]["ssn"] = "666-12-9876"
    path.write_text(json.dumps(content))

    with pytest.raises(RecordCorruptError) as refused:
        load_case(desk_data, "ada-prime")

    assert "ada-prime.json: /application/applicants/0/ssn" in str(refused.value)
    assert "9876" not in str(refused.value)


def test_a_bundle_needs_no_expectations(desk_data: Path) -> None:
    case = load_case(desk_data, "ada-prime")
    path = desk_data / "synthetic" / "bundle.json"
    path.write_text(case.model_dump_json())

    assert load_case(desk_data, "bundle") == case
    with pytest.raises(RecordCorruptError, match="/persona"):
        load_persona(desk_data, "bundle")


def test_loading_is_recorded_as_a_tool_call() -> None:
    with recorded_calls() as calls:
        load_case(DATA, "ada-prime")
        with pytest.raises(RecordNotFoundError) as missing:
            load_case(DATA, "no-such-case")

    assert [(call.name, call.outcome) for call in calls] == [
        ("load_case", "ok"),
        ("load_case", "record_not_found"),
    ]
    assert missing.value.tool == "load_case"


def test_an_id_that_is_almost_one_on_file_names_the_one_that_is_meant() -> None:
    with pytest.raises(RecordNotFoundError, match="did you mean bora-borderline"):
        load_case(DATA, "bora-borderlin")
    with pytest.raises(RecordNotFoundError) as refused:
        load_case(DATA, "zzz")
    assert "did you mean" not in str(refused.value)
