"""Unusual traits add up to a score. Ordinary differences between people do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from data.contracts.bureau import BureauStatus
from data.contracts.case import CaseFile
from data.contracts.documents import BankStatement, DocumentKind
from data.contracts.findings import FraudBand, FraudSignal, Typology
from data.synthetic.builder import json_document
from tools.case_files import case_ids, load_case
from tools.fraud_signals import fraud_band, fraud_score, fraud_typology, score_fraud_signals

DATA = Path("data")


def _ada(**differs: Any) -> CaseFile:
    """Ada's case with some parts replaced by their JSON form."""
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    return CaseFile.model_validate(content | differs)


def _ada_as(**differs: Any) -> CaseFile:
    content = load_case(DATA, "ada-prime").model_dump(mode="json")
    content["application"]["applicants"][0].update(differs)
    return CaseFile.model_validate(content)


def _ada_reported(**differs: Any) -> CaseFile:
    report = load_case(DATA, "ada-prime").model_dump(mode="json")["bureau_report"]
    return _ada(bureau_report=report | differs)


def _ada_seen(**differs: Any) -> CaseFile:
    return _ada(fraud_signals=differs)


def _codes(case: CaseFile) -> dict[str, int]:
    return {signal.code: signal.weight for signal in score_fraud_signals(case)}


def test_an_ordinary_application_has_no_signals() -> None:
    assert score_fraud_signals(load_case(DATA, "ada-prime")) == ()


def test_only_syd_is_suspicious_among_the_personas() -> None:
    scores = {
        case_id: fraud_score(score_fraud_signals(load_case(DATA, case_id)))
        for case_id in case_ids(DATA)
    }

    assert {case_id: score for case_id, score in scores.items() if score >= 250} == {
        "syd-synthetic": 850
    }


def test_a_synthetic_identity_is_recognised() -> None:
    signals = score_fraud_signals(load_case(DATA, "syd-synthetic"))

    assert {signal.code: signal.value for signal in signals} == {
        "ssn_newer_than_person": "2011",
        "authorized_user_only": "2",
        "phone_shared": "4",
        "file_newer_than_person": "16",
        "phone_voip": "voip",
    }
    assert fraud_band(fraud_score(signals)) is FraudBand.CRITICAL
    assert fraud_typology(signals) is Typology.SYNTHETIC


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (0, FraudBand.LOW),
        (249, FraudBand.LOW),
        (250, FraudBand.MEDIUM),
        (499, FraudBand.MEDIUM),
        (500, FraudBand.HIGH),
        (699, FraudBand.HIGH),
        (700, FraudBand.CRITICAL),
    ],
)
def test_where_a_band_begins(score: int, band: FraudBand) -> None:
    assert fraud_band(score) is band


def test_a_score_ends_at_a_thousand() -> None:
    signals = tuple(FraudSignal(code=f"c{n}", weight=400, value="1") for n in range(3))

    assert fraud_score(signals) == 1000


@pytest.mark.parametrize(
    ("differs", "suspicious"),
    [
        ({"ssn": "784-52-6093"}, True),
        ({"ssn": "784-52-6093", "dob": "1992-12-31"}, True),
        ({"ssn": "784-52-6093", "dob": "1995-01-01"}, False),
        ({"ssn": "784-52-6093", "residency": "permanent"}, False),
        ({"ssn": "912-70-1234", "residency": "visa"}, False),
    ],
)
def test_a_new_ssn_is_suspicious_for_an_older_citizen_only(
    differs: dict[str, Any], suspicious: bool
) -> None:
    case = _ada_as(**differs)

    assert ("ssn_newer_than_person" in _codes(case)) == suspicious


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        ({"velocity": {"ssn": {"days_1": 3}}}, {"velocity_ssn": 250}),
        ({"velocity": {"device": {"days_7": 5}}}, {"velocity_device": 250}),
        ({"velocity": {"phone": {"days_30": 6}}}, {"velocity_phone": 100}),
        ({"velocity": {"address": {"days_1": 2, "days_7": 4, "days_30": 5}}}, {}),
        ({"identity_links": [{"trait": "phone", "identities": 3}]}, {"phone_shared": 200}),
        ({"identity_links": [{"trait": "phone", "identities": 2}]}, {}),
        ({"identity_links": [{"trait": "address", "identities": 5}]}, {}),
        ({"identity_links": [{"trait": "ssn", "identities": 2}]}, {"ssn_shared": 300}),
        ({"consortium_hits": ["charge_off_fraud"]}, {"consortium_charge_off_fraud": 250}),
        ({"ip_country": "US", "ip_distance_km": 1000, "email_age_days": 7}, {}),
        ({"ip_country": "BR"}, {"ip_abroad": 150}),
        ({"ip_distance_km": 1001}, {"ip_far_away": 100}),
        ({"email_age_days": 6}, {"email_new": 50}),
        ({"phone_type": "voip"}, {"phone_voip": 50}),
    ],
)
def test_signals_of_devices_and_networks(seen: dict[str, Any], codes: dict[str, int]) -> None:
    assert _codes(_ada_seen(**seen)) == codes


@pytest.mark.parametrize(
    ("report", "codes"),
    [
        ({"alerts": ["fraud_initial"]}, {"alert_fraud_initial": 150}),
        ({"alerts": ["ssn_deceased"]}, {"alert_ssn_deceased": 400}),
        ({"alerts": ["active_duty"]}, {}),
        ({"subject_ssn_last4": "1111"}, {"other_persons_file": 300}),
        ({"subject_ssn_last4": None}, {}),
        ({"file_since": "2024-11-30"}, {}),
        ({"file_since": "2025-01-01"}, {"file_newer_than_person": 100}),
    ],
)
def test_signals_of_the_bureau_file(report: dict[str, Any], codes: dict[str, int]) -> None:
    assert _codes(_ada_reported(**report)) == codes


def test_a_file_that_was_not_delivered_says_nothing() -> None:
    case = _ada_reported(status=BureauStatus.ERROR.value, subject_ssn_last4="1111")

    assert _codes(case) == {}


@pytest.mark.parametrize(
    ("email", "disposable"),
    [
        ("x@Mailinator.com", True),
        ("x@any.box.mailinator.com", True),
        ("x@mailinator.com.example.org", False),
        ("x@gmail.com", False),
    ],
)
def test_a_disposable_mail_address_is_a_signal(email: str, disposable: bool) -> None:
    assert _codes(_ada_as(email=email)) == ({"email_disposable": 150} if disposable else {})


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(lambda: _with_statement(holder_name="Otto Fremd"), id="foreign account"),
        pytest.param(lambda: _ada_seen(ip_country="BR", ip_distance_km=8000), id="abroad"),
        pytest.param(lambda: _ada_seen(velocity={"ssn": {"days_1": 3}}), id="velocity"),
        pytest.param(
            lambda: _ada_seen(ip_country="BR", velocity={"phone": {"days_30": 6}}), id="two signs"
        ),
    ],
)
def test_what_a_person_has_to_look_at_reaches_the_band_that_refers(
    case: Callable[[], CaseFile],
) -> None:
    assert fraud_band(fraud_score(score_fraud_signals(case()))) is FraudBand.MEDIUM


def test_signs_of_two_kinds_count_together_and_two_of_one_kind_do_not() -> None:
    far = {"ip_distance_km": 1001}

    assert _codes(_ada_seen(**far, velocity={"phone": {"days_30": 6}})) == {
        "ip_far_away": 100,
        "velocity_phone": 100,
        "independent_signs": 50,
    }
    seen = {"phone": {"days_30": 6}, "device": {"days_30": 6}}
    assert "independent_signs" not in _codes(_ada_seen(velocity=seen))
    assert "independent_signs" not in _codes(_ada_seen(**far, email_age_days=6))


def _with_statement(**differs: Any) -> CaseFile:
    statement = BankStatement(
        account_last4="0001",
        holder_name=differs.pop("holder_name", "Ada Prime"),
        period_start=date(2026, 9, 1),
        period_end=date(2026, 9, 30),
        opening_balance=Decimal("10.00"),
        closing_balance=differs.pop("closing_balance", Decimal("10.00")),
    )
    extra = json_document("extra", DocumentKind.BANK_STATEMENT, statement)
    return load_case(DATA, "ada-prime").with_document(extra)


def test_the_account_of_another_person_is_a_signal() -> None:
    assert _codes(_with_statement()) == {}
    assert _codes(_with_statement(holder_name="Otto Fremd")) == {
        "bank_account_of_other_person": 250
    }


def test_a_statement_that_does_not_foot_may_have_been_altered() -> None:
    signals = score_fraud_signals(_with_statement(closing_balance=Decimal("99.00")))

    assert [(signal.code, signal.value) for signal in signals] == [
        ("statement_altered", "does_not_foot")
    ]
    assert fraud_typology(signals) is Typology.FIRST_PARTY


def test_days_between_two_statements_of_an_account_refer_and_are_no_sign_of_a_change() -> None:
    case = _with_statement()
    later = BankStatement(
        account_last4="0001",
        holder_name="Ada Prime",
        period_start=date(2026, 10, 2),
        period_end=date(2026, 10, 31),
        opening_balance=Decimal("10.00"),
        closing_balance=Decimal("10.00"),
    )

    signals = score_fraud_signals(
        case.with_document(json_document("later", DocumentKind.BANK_STATEMENT, later))
    )

    assert [(signal.code, signal.weight) for signal in signals] == [("statements_gap", 250)]
    assert fraud_band(fraud_score(signals)) is FraudBand.MEDIUM
    assert fraud_typology(signals) is None


def test_the_account_of_the_other_applicant_is_no_signal() -> None:
    assert _codes(load_case(DATA, "jo-kit-joint")) == {}


def test_no_signal_names_a_person() -> None:
    syd = load_case(DATA, "syd-synthetic")
    written = json.dumps([signal.model_dump(mode="json") for signal in score_fraud_signals(syd)])

    applicant = syd.application.primary
    for secret in (
        applicant.ssn,
        applicant.ssn[-4:],
        applicant.last_name,
        applicant.email,
        applicant.phone,
        "1979",
    ):
        assert secret
        assert secret not in written
