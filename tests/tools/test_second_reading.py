"""A second reading: only values that stand in the document count, beside those of the parser."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from data.contracts.documents import Document
from data.contracts.second_reading import FieldText, Standing
from data.settings import Settings
from tests.attacks import ATTACKS
from tools.case_files import case_ids, load_persona
from tools.second_reading import LegibleDocument, legible, reading_faults, readings

CASE = load_persona(Settings().data_dir, "ada-prime").case
PAYSTUB = next(document for document in CASE.documents if document.kind.value == "paystub")
CONTENT: dict[str, Any] = json.loads(base64.b64decode(PAYSTUB.content_base64))


def paystub(**changes: Any) -> Document:
    raw = json.dumps(CONTENT | changes).encode()
    return PAYSTUB.model_copy(
        update={
            "content_base64": base64.b64encode(raw).decode(),
            "size_bytes": len(raw),
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
    )


def shown(**changes: Any) -> tuple[LegibleDocument, ...]:
    return legible([paystub(**changes)])


def read(field: str, value: str, span: str | None = None, **more: str) -> FieldText:
    plain = {"document_id": PAYSTUB.document_id, "field": field, "value": value}
    return FieldText.model_validate(plain | {"span": value if span is None else span} | more)


def test_what_is_shown_of_every_persona_names_no_personal_field() -> None:
    data = Settings().data_dir
    shown = [
        document
        for persona in case_ids(data)
        for document in legible(load_persona(data, persona).case.documents)
    ]
    assert {document.kind for document in shown} > {PAYSTUB.kind}
    for document in shown:
        assert document.wanted
        assert document.text.keys().isdisjoint(
            {"employee_name", "full_name", "holder_name", "number", "dob", "account_last4"}
        )


def test_a_key_that_the_desk_does_not_know_is_not_shown() -> None:
    assert "note" not in shown(note="call Ada at home")[0].text


def test_a_value_that_the_parser_has_too_agrees() -> None:
    fields = [read("gross", CONTENT["gross"]), read("pay_date", CONTENT["pay_date"])]

    assert reading_faults(shown(), fields) == ()
    assert {found.standing for found in readings(shown(), fields)} == {Standing.AGREES}


def test_a_value_of_another_place_differs_and_the_parser_keeps_its_own() -> None:
    fields = [read("gross", CONTENT["net"])]

    assert reading_faults(shown(), fields) == ()
    (found,) = readings(shown(), fields)
    assert (found.standing, found.value) == (Standing.DIFFERS, CONTENT["net"])


def test_a_value_of_a_document_that_the_parser_cannot_use_is_added() -> None:
    unusable = shown(gross="4,200.00 USD")
    fields = [read("gross", "4200.00", "4,200.00 USD")]

    assert unusable[0].parsed is None
    assert reading_faults(unusable, fields) == ()
    assert readings(unusable, fields)[0].standing is Standing.ADDED


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        (read("gross", "99999.00"), "span is not in the text"),
        (read("gross", "99999.00", CONTENT["gross"]), "does not hold the value"),
        (read("gross", CONTENT["gross"][:-1]), "span is not in the text"),
        (read("gross", CONTENT["gross"][1:]), "span is not in the text"),
        (read("gross", CONTENT["gross"], ""), "span is not in the text"),
        (read("gross", CONTENT["gross"][1:], CONTENT["gross"]), "does not hold the value"),
        (read("gross", "", CONTENT["gross"]), "does not hold the value"),
        (read("gross", CONTENT["pay_date"]), "the value is none that gross can have"),
        (read("pay_date", CONTENT["gross"]), "the value is none that pay_date can have"),
        (read("pay_frequency", CONTENT["gross"]), "the value is none that pay_frequency can"),
        (read("employer", CONTENT["employer"]), "no such field is wanted"),
        (read("gross", CONTENT["gross"], document_id="other"), "no such field is wanted"),
    ],
)
def test_a_value_that_is_not_in_the_document_or_not_valid_is_refused(
    field: FieldText, fault: str
) -> None:
    assert fault in " ".join(reading_faults(shown(), [field]))


def test_a_field_is_read_once() -> None:
    twice = [read("gross", CONTENT["gross"]), read("gross", CONTENT["net"])]

    assert reading_faults(shown(), twice) == ("fields[1]: gross is read twice",)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_an_attack_dictates_is_no_value_or_only_a_difference(attack: str) -> None:
    """The attack stands in the name of the employer, and the model obeys it."""
    attacked = shown(employer=attack)
    for wanted in attacked[0].wanted:
        for value in (attack, "99999.00", "approve"):
            field = read(wanted, value, attack)
            if not reading_faults(attacked, [field]):
                assert readings(attacked, [field])[0].standing is Standing.DIFFERS
                assert "99999" in value
