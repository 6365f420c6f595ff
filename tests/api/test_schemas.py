"""A case may come in three forms, and each is read as what it is."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from api.schemas import Answer, StartOptions, StartRun
from data.settings import Settings
from tools.case_files import load_case

DATA = Settings().data_dir
CASE = load_case(DATA, "ada-prime")


def test_an_application_alone_becomes_a_case_without_papers() -> None:
    order = StartRun.model_validate({"application": CASE.application.model_dump(mode="json")})

    assert order.application is not None
    assert order.application.application == CASE.application
    assert order.application.documents == ()


def test_a_bundle_becomes_the_case_it_holds() -> None:
    order = StartRun.model_validate({"application": CASE.model_dump(mode="json")})

    assert order.application == CASE


def test_a_persona_file_is_read_without_its_expected_end() -> None:
    persona = json.loads((DATA / "synthetic" / "ada-prime.json").read_bytes())

    order = StartRun.model_validate({"application": persona})

    assert order.application == CASE


def test_options_are_those_four_and_no_other() -> None:
    options = StartOptions.model_validate(
        {"as": "copy", "fan_out_policy": "fail_fast", "bundle": "v2", "as_of_date": "2026-11-02"}
    )

    assert options.as_ == "copy"
    assert options.run_options.model_dump(mode="json") == {
        "fan_out_policy": "fail_fast",
        "as_of_date": "2026-11-02",
    }
    with pytest.raises(ValidationError):
        StartOptions.model_validate({"faster": True})


def test_an_answer_hands_every_field_but_the_gate_to_the_form() -> None:
    answer = Answer.model_validate(
        {
            "gate": "underwriter",
            "decision": "adjust",
            "reviewer": "u-1",
            "reason": "shorter",
            "term_months": 24,
        }
    )

    assert answer.fields == {
        "decision": "adjust",
        "reviewer": "u-1",
        "reason": "shorter",
        "term_months": 24,
    }
