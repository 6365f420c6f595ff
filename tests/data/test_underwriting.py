"""The state of a run, and how stored states of older versions are read."""

from __future__ import annotations

import json
from datetime import date

import pytest
from pydantic import ValidationError

from data.contracts.runs import RunOptions
from data.contracts.underwriting import DocumentsOutcome, Overrides, Underwriting


@pytest.mark.parametrize("key", ["documents", "papers"])
def test_a_stored_state_is_read_with_the_new_and_the_old_key(key: str) -> None:
    assert Underwriting.model_validate({key: "supplied"}).documents is DocumentsOutcome.SUPPLIED
    stored = json.dumps({key: "expired"})
    assert Underwriting.model_validate_json(stored).documents is DocumentsOutcome.EXPIRED


def test_a_state_is_written_with_the_new_key() -> None:
    written = Underwriting(documents=DocumentsOutcome.WITHDRAWN).model_dump(mode="json")

    assert written["documents"] == "withdraw"
    assert "papers" not in written


@pytest.mark.parametrize("content", [{"papers": "lost"}, {"paper": "supplied"}])
def test_another_key_or_value_is_refused(content: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Underwriting.model_validate(content)


def test_a_state_cannot_be_changed() -> None:
    state = Underwriting()

    with pytest.raises(ValidationError, match="frozen"):
        state.documents = DocumentsOutcome.SUPPLIED  # type: ignore[misc]


@pytest.mark.parametrize("contract", [Overrides, RunOptions])
@pytest.mark.parametrize("day", [20261101, 0, "20261101", True, "2026-11-01T00:00:00Z"])
def test_another_day_is_given_as_a_date(
    contract: type[Overrides] | type[RunOptions], day: object
) -> None:
    assert contract.model_validate({"as_of_date": "2026-11-01"}).as_of_date == date(2026, 11, 1)
    with pytest.raises(ValidationError, match="YYYY-MM-DD"):
        contract.model_validate({"as_of_date": day})
    with pytest.raises(ValidationError, match="YYYY-MM-DD"):
        contract.model_validate_json(json.dumps({"as_of_date": day}))
