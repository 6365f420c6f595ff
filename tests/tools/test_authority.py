"""The shipped authority matrix, and files that the loader refuses."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from data.contracts.authority import AuthorityMatrix
from data.contracts.errors import RecordCorruptError, RecordNotFoundError
from data.settings import Settings
from tools.authority import load_authority

DATA = Settings().data_dir


@pytest.fixture
def authority() -> AuthorityMatrix:
    return load_authority(DATA)


@pytest.mark.parametrize(
    ("role", "amount", "may"),
    [
        ("underwriter", "15000.00", True),
        ("underwriter", "15000.01", False),
        ("senior_underwriter", "35000.00", True),
        ("senior_underwriter", "45000.00", False),
        ("committee", "50000.00", True),
        ("viewer", "1.00", False),
        ("compliance", "1.00", False),
    ],
)
def test_an_amount_beyond_the_role_is_beyond_its_authority(
    authority: AuthorityMatrix, role: str, amount: str, may: bool
) -> None:
    assert authority.may_approve(role, Decimal(amount), "B") is may


def test_an_override_reaches_less_far_than_an_approval(authority: AuthorityMatrix) -> None:
    assert authority.limit("senior_underwriter", "D") == 35_000
    assert authority.limit("senior_underwriter", "D", override=True) == 25_000
    assert authority.limit("underwriter", "D", override=True) == 0


@pytest.mark.parametrize("role", ["underwriter", "senior_underwriter", "committee"])
def test_an_unproven_reviewer_may_approve_15000_in_any_role(
    authority: AuthorityMatrix, role: str
) -> None:
    assert authority.may_approve(role, Decimal(15_000), "C", proven=False)
    assert not authority.may_approve(role, Decimal("15000.01"), "C", proven=False)


def test_an_application_without_a_grade_has_limits_of_its_own(authority: AuthorityMatrix) -> None:
    assert authority.limit("senior_underwriter", None) == 25_000


def test_no_role_approves_an_amount_of_zero(authority: AuthorityMatrix) -> None:
    assert not authority.may_approve("committee", Decimal(0), "A")


def test_an_unknown_grade_has_no_limit(authority: AuthorityMatrix) -> None:
    assert authority.limit("committee", "Z") == 0


@pytest.mark.parametrize(
    ("gate", "override", "keys_exist", "needed"),
    [
        ("compliance", False, True, True),
        ("compliance", False, False, False),
        ("underwriter", False, True, False),
        ("underwriter", True, True, True),
        ("underwriter", True, False, False),
    ],
)
def test_compliance_and_overrides_need_a_proven_identity_once_keys_exist(
    authority: AuthorityMatrix, gate: str, override: bool, keys_exist: bool, needed: bool
) -> None:
    assert authority.needs_proven_identity(gate, override=override, keys_exist=keys_exist) is needed


def _write(folder: Path, text: str) -> Path:
    (folder / "policy").mkdir()
    (folder / "policy" / "authority.yaml").write_text(text)
    return folder


def test_a_matrix_without_a_grade_is_refused(tmp_path: Path) -> None:
    matrix = yaml.safe_load((DATA / "policy" / "authority.yaml").read_text())
    del matrix["roles"]["underwriter"]["approve"]["C"]

    with pytest.raises(RecordCorruptError, match="/roles/underwriter"):
        load_authority(_write(tmp_path, yaml.safe_dump(matrix)))


def test_an_override_limit_above_the_approval_limit_is_refused(tmp_path: Path) -> None:
    matrix = yaml.safe_load((DATA / "policy" / "authority.yaml").read_text())
    matrix["roles"]["underwriter"]["override"]["A"] = 20_000

    with pytest.raises(RecordCorruptError, match="may not reach further"):
        load_authority(_write(tmp_path, yaml.safe_dump(matrix)))


def test_a_limit_given_twice_is_refused(tmp_path: Path) -> None:
    text = (DATA / "policy" / "authority.yaml").read_text() + "unproven: 50000\n"

    with pytest.raises(RecordCorruptError, match=r"authority\.yaml"):
        load_authority(_write(tmp_path, text))


def test_a_missing_matrix_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordNotFoundError, match=r"authority\.yaml"):
        load_authority(tmp_path)
