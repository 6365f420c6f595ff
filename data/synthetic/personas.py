"""The synthetic applicants, one for each path through the workflow.

Each function sets only what differs from the ordinary applicant. The command
`python -m data.synthetic.personas` writes the JSON files beside this module. The desk reads these
files.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

from data.contracts.bureau import (
    BureauAlert,
    BureauReport,
    BureauStatus,
    Collection,
    EcoaDesignator,
    PublicRecord,
    PublicRecordStatus,
    PublicRecordType,
    TradelineStatus,
)
from data.contracts.case import Expected, Persona
from data.contracts.decision import Grade, Outcome
from data.contracts.fraud import IdentityLink, PhoneType, Seen, SharedTrait, Velocity
from data.contracts.policy import ReasonCode, Recommendation
from data.synthetic.builder import (
    Person,
    bank_statement,
    card,
    inquiries,
    licence,
    loan,
    ordinary_signals,
    paystub,
    persona,
    report,
    wage_statement,
)

_APPROVED = Expected(recommendation=Recommendation.APPROVE, outcome=Outcome.APPROVE)


def _pristine(person: Person) -> BureauReport:
    """A clean report: four old accounts, low balances, never late."""
    return report(
        person,
        785,
        card("12000.00", "640.00", "35.00", opened_on=date(2011, 4, 1)),
        card("9000.00", "310.00", "25.00", opened_on=date(2014, 2, 1)),
        card("6000.00", "0.00", "0.00", opened_on=date(2016, 7, 1)),
        loan("24000.00", "9800.00", "260.00"),
    )


def ada_prime() -> Persona:
    person = Person("Ada", "Prime", "516-24-3907", income="7200.00")
    return persona(
        "ada-prime",
        "Ada Prime",
        "clean: straight through",
        _APPROVED.model_copy(update={"grade": Grade.A}),
        (person,),
        amount="10000.00",
        bureau=_pristine(person),
    )


def ben_midland() -> Persona:
    person = Person("Ben", "Midland", "517-31-4418", income="5600.00", dob=date(1990, 1, 23))
    return persona(
        "ben-midland",
        "Ben Midland",
        "clean with grade C: approved at a worse rate",
        _APPROVED.model_copy(update={"grade": Grade.C}),
        (person,),
        amount="9000.00",
        bureau=report(
            person,
            682,
            card(
                "5000.00",
                "2300.00",
                "70.00",
                dpd_30_count=1,
                last_delinquency=date(2024, 2, 1),
                opened_on=date(2019, 5, 1),
            ),
            card("4000.00", "1650.00", "55.00", opened_on=date(2020, 9, 1)),
            loan("16000.00", "7900.00", "240.00"),
            inquiries=inquiries(2),
        ),
    )


def theo_thinfile() -> Persona:
    person = Person(
        "Theo",
        "Thinfile",
        "518-42-5526",
        income="3900.00",
        housing="850.00",
        dob=date(2003, 2, 11),
        since=date(2024, 6, 3),
    )
    return persona(
        "theo-thinfile",
        "Theo Thinfile",
        "one account, five months old: an underwriter decides",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
            refer_reasons=(ReasonCode.LIMITED_CREDIT_EXPERIENCE,),
        ),
        (person,),
        amount="6000.00",
        bureau=report(
            person,
            668,
            card("1200.00", "240.00", "25.00", opened_on=date(2026, 6, 1)),
            status=BureauStatus.THIN,
        ),
    )


def nora_nohit() -> Persona:
    person = Person(
        "Nora", "Nohit", "519-53-6637", income="4200.00", housing="900.00", dob=date(1999, 12, 4)
    )
    return persona(
        "nora-nohit",
        "Nora Nohit",
        "the bureau has no file on the applicant: an underwriter decides",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
            refer_reasons=(ReasonCode.NO_CREDIT_FILE,),
        ),
        (person,),
        amount="5000.00",
        bureau=report(person, None, status=BureauStatus.NO_HIT, subject_ssn_last4=None),
    )


def syd_synthetic() -> Persona:
    person = Person("Syd", "Synthetic", "784-52-6093", income="6000.00", dob=date(1979, 4, 17))
    borrowed = {"designator": EcoaDesignator.AUTHORIZED_USER}
    return persona(
        "syd-synthetic",
        "Syd Synthetic",
        "an SSN newer than the applicant, authorized-user accounts only, a shared telephone",
        Expected(
            recommendation=Recommendation.DECLINE,
            outcome=Outcome.DECLINE,
            reasons=(ReasonCode.IDENTITY_UNVERIFIABLE,),
        ),
        (person,),
        amount="18000.00",
        bureau=report(
            person,
            741,
            card("22000.00", "400.00", "0.00", opened_on=date(2009, 3, 1), **borrowed),
            card("18000.00", "250.00", "0.00", opened_on=date(2012, 8, 1), **borrowed),
            file_since=date(2025, 7, 1),
        ),
        signals=ordinary_signals(
            "syd-synthetic",
            phone_type=PhoneType.VOIP,
            email_age_days=40,
            identity_links=(IdentityLink(trait=SharedTrait.PHONE, identities=4),),
            velocity=Velocity(phone=Seen(days_1=1, days_7=2, days_30=4)),
        ),
    )


def erin_expired() -> Persona:
    person = Person("Erin", "Expired", "520-64-7748", income="6400.00")
    return persona(
        "erin-expired",
        "Erin Expired",
        "the licence expired forty days ago: the desk asks for a new one",
        Expected(
            recommendation=Recommendation.APPROVE,
            gates=("documents",),
        ),
        (person,),
        amount="9000.00",
        documents=(
            licence(person, expires=date(2026, 9, 23)),
            paystub(person),
            bank_statement(person),
        ),
        bureau=_pristine(person),
        later=(licence(person, document_id="renewed-licence"),),
    )


def ivan_mismatch() -> Persona:
    person = Person("Ivan", "Mismatch", "521-75-8859", income="7500.00", housing="950.00")
    return persona(
        "ivan-mismatch",
        "Ivan Mismatch",
        "states 7,500 a month and shows 5,200: an underwriter decides on the lower figure",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
            refer_reasons=(ReasonCode.INCOME_UNVERIFIABLE,),
        ),
        (person,),
        amount="8000.00",
        documents=(
            licence(person),
            paystub(person, income="5200.00"),
            bank_statement(person, income="5200.00"),
        ),
        bureau=_pristine(person),
    )


def dee_debtor() -> Persona:
    person = Person("Dee", "Debtor", "522-86-9960", income="4000.00", housing="1000.00")
    return persona(
        "dee-debtor",
        "Dee Debtor",
        "more than half of the income would go to creditors",
        Expected(
            recommendation=Recommendation.DECLINE,
            outcome=Outcome.DECLINE,
            reasons=(ReasonCode.EXCESSIVE_OBLIGATIONS, ReasonCode.INCOME_INSUFFICIENT),
        ),
        (person,),
        amount="17000.00",
        bureau=report(
            person,
            691,
            card("9000.00", "4100.00", "140.00"),
            card("7000.00", "3000.00", "105.00", opened_on=date(2015, 3, 1)),
            loan("29000.00", "19500.00", "530.00"),
            inquiries=inquiries(2),
        ),
    )


def sam_sanction() -> Persona:
    person = Person("Sam", "Sanction", "523-17-1071", income="6800.00", dob=date(1971, 5, 9))
    return persona(
        "sam-sanction",
        "Sam Sanction",
        "name and date of birth are on the sanctions list: the case stops",
        Expected(recommendation=Recommendation.DECLINE, outcome=Outcome.DECLINE),
        (person,),
        amount="10000.00",
        bureau=_pristine(person),
    )


def sam_namesake() -> Persona:
    person = Person("Sam", "Sanction", "524-28-2182", income="6800.00", dob=date(1991, 5, 9))
    return persona(
        "sam-namesake",
        "Sam Namesake",
        "the name of a listed person, twenty years younger: cleared by the date of birth",
        _APPROVED,
        (person,),
        amount="9000.00",
        bureau=_pristine(person),
    )


def pat_potential() -> Persona:
    person = Person("Patricia", "Potential", "525-39-3293", income="6600.00", dob=date(1980, 3, 2))
    return persona(
        "pat-potential",
        "Pat Potential",
        "nearly a listed name, born within a year: compliance decides",
        Expected(recommendation=Recommendation.REFER, gates=("compliance",)),
        (person,),
        amount="9000.00",
        bureau=_pristine(person),
    )


def fay_freeze() -> Persona:
    person = Person("Fay", "Freeze", "526-40-4304", income="6100.00")
    return persona(
        "fay-freeze",
        "Fay Freeze",
        "the bureau file is frozen: incomplete until the applicant lifts the freeze",
        Expected(
            recommendation=Recommendation.INCOMPLETE,
            outcome=Outcome.INCOMPLETE,
        ),
        (person,),
        amount="8000.00",
        bureau=report(person, None, status=BureauStatus.FROZEN),
    )


def max_missing() -> Persona:
    person = Person("Max", "Missing", "527-51-5415", income="5900.00")
    return persona(
        "max-missing",
        "Max Missing",
        "no proof of income among the documents: the desk asks for one",
        Expected(recommendation=Recommendation.APPROVE, gates=("documents",)),
        (person,),
        amount="8000.00",
        documents=(licence(person), bank_statement(person)),
        bureau=_pristine(person),
        later=(wage_statement(person),),
    )


def cora_corrupt() -> Persona:
    person = Person("Cora", "Corrupt", "528-62-6526", income="6000.00")
    whole = paystub(person)
    body = base64.b64decode(whole.content_base64)
    torn = whole.model_copy(
        update={"content_base64": base64.b64encode(body[: len(body) // 2]).decode()}
    )
    return persona(
        "cora-corrupt",
        "Cora Corrupt",
        "the paystub is damaged: the desk names its id and asks for a new one",
        Expected(recommendation=Recommendation.APPROVE, gates=("documents",)),
        (person,),
        amount="8000.00",
        documents=(licence(person), torn, bank_statement(person)),
        bureau=_pristine(person),
        later=(paystub(person, document_id="paystub-again"),),
    )


def bora_borderline() -> Persona:
    person = Person("Bora", "Borderline", "529-73-7637", income="4500.00", housing="1150.00")
    return persona(
        "bora-borderline",
        "Bora Borderline",
        "a default risk of eight per cent and a tight budget: an underwriter decides",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
            refer_reasons=(ReasonCode.EXCESSIVE_OBLIGATIONS,),
        ),
        (person,),
        amount="12000.00",
        term=48,
        bureau=report(
            person,
            642,
            card(
                "6000.00",
                "4300.00",
                "120.00",
                dpd_30_count=2,
                last_delinquency=date(2025, 8, 1),
                opened_on=date(2019, 4, 1),
            ),
            card("3000.00", "2100.00", "60.00", opened_on=date(2021, 10, 1)),
            loan("17000.00", "9600.00", "285.00"),
            inquiries=inquiries(4),
        ),
    )


def leo_large() -> Persona:
    person = Person(
        "Leo",
        "Large",
        "530-84-8748",
        income="12500.00",
        housing="2100.00",
        dob=date(1978, 10, 30),
    )
    return persona(
        "leo-large",
        "Leo Large",
        "45,000 with grade B: more than one underwriter may approve alone",
        Expected(
            recommendation=Recommendation.REFER,
            grade=Grade.B,
            gates=("underwriter", "second_approval"),
        ),
        (person,),
        amount="45000.00",
        term=60,
        bureau=report(
            person,
            728,
            card("15000.00", "4200.00", "130.00", opened_on=date(2012, 6, 1)),
            card("10000.00", "2400.00", "80.00", opened_on=date(2016, 1, 1)),
            loan("38000.00", "17000.00", "540.00"),
            inquiries=inquiries(1),
        ),
    )


def connie_counter() -> Persona:
    person = Person("Connie", "Counter", "531-95-9859", income="5200.00", housing="1200.00")
    return persona(
        "connie-counter",
        "Connie Counter",
        "asks for 25,000 and can repay 12,526.78 over 48 months: offered 12,500",
        Expected(
            recommendation=Recommendation.COUNTER_OFFER,
            offer_amount=Decimal("12500.00"),
        ),
        (person,),
        amount="25000.00",
        term=48,
        bureau=report(
            person,
            712,
            card("11000.00", "4900.00", "150.00", opened_on=date(2013, 5, 1)),
            card("8000.00", "3300.00", "110.00", opened_on=date(2017, 11, 1)),
            loan("26000.00", "13000.00", "440.00"),
            inquiries=inquiries(5),
        ),
    )


def alma_alert() -> Persona:
    person = Person(
        "Alma",
        "Alert",
        "532-16-1961",
        income="5400.00",
        extra={"military_covered_borrower": True},
    )
    return persona(
        "alma-alert",
        "Alma Alert",
        "on active duty: identity first, and a ceiling of 36 % on all costs",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
        ),
        (person,),
        amount="7000.00",
        bureau=_pristine(person).model_copy(update={"alerts": (BureauAlert.ACTIVE_DUTY,)}),
    )


def jo_kit_joint() -> Persona:
    jo = Person("Jo", "Joint", "533-27-2072", income="5800.00", dob=date(1986, 9, 8))
    kit = Person(
        "Kit",
        "Joint",
        "534-38-3183",
        income="3100.00",
        housing="0.00",
        dob=date(1989, 4, 27),
        employer="Lantern Street Bakery",
    )
    return persona(
        "jo-kit-joint",
        "Jo & Kit Joint",
        "two applicants, one with a weak file: the weaker score counts",
        Expected(recommendation=Recommendation.REFER, gates=("underwriter",)),
        (jo, kit),
        amount="14000.00",
        bureau=_pristine(jo),
        co_bureau=report(
            kit,
            604,
            card(
                "2500.00",
                "1700.00",
                "75.00",
                dpd_30_count=3,
                last_delinquency=date(2025, 5, 1),
            ),
            card("1500.00", "1100.00", "40.00", opened_on=date(2020, 2, 1)),
            loan("9000.00", "5200.00", "190.00"),
            inquiries=inquiries(3),
        ),
    )


def bella_bankrupt() -> Persona:
    person = Person("Bella", "Bankrupt", "535-49-4294", income="5000.00")
    return persona(
        "bella-bankrupt",
        "Bella Bankrupt",
        "a bankruptcy discharged fourteen months ago",
        Expected(
            recommendation=Recommendation.DECLINE,
            outcome=Outcome.DECLINE,
            reasons=(ReasonCode.BANKRUPTCY, ReasonCode.DELINQUENT_OBLIGATIONS),
        ),
        (person,),
        amount="9000.00",
        bureau=report(
            person,
            561,
            card(
                "3000.00",
                "0.00",
                "0.00",
                status=TradelineStatus.CLOSED,
                closed_on=date(2025, 3, 1),
                dpd_30_count=4,
                dpd_60_count=3,
                dpd_90_count=2,
                last_delinquency=date(2025, 2, 1),
            ),
            card("800.00", "420.00", "35.00", opened_on=date(2025, 12, 1)),
            loan(
                "14000.00",
                "6900.00",
                "270.00",
                days_past_due=65,
                past_due=Decimal("540.00"),
                dpd_30_count=2,
                dpd_60_count=1,
                last_delinquency=date(2026, 10, 1),
            ),
            public_records=(
                PublicRecord(
                    type=PublicRecordType.BANKRUPTCY_CHAPTER_7,
                    filed_on=date(2025, 3, 20),
                    status=PublicRecordStatus.DISCHARGED,
                    discharged_on=date(2025, 9, 2),
                ),
            ),
            inquiries=inquiries(3),
        ),
    )


def tim_timeout() -> Persona:
    person = Person("Tim", "Timeout", "536-50-5305", income="5700.00")
    return persona(
        "tim-timeout",
        "Tim Timeout",
        "the bureau never answers: after several tries an underwriter decides without it",
        Expected(recommendation=Recommendation.REFER, gates=("underwriter",)),
        (person,),
        amount="8000.00",
        bureau=report(person, None, status=BureauStatus.ERROR, subject_ssn_last4=None),
    )


def uma_override() -> Persona:
    person = Person("Uma", "Override", "537-61-6416", income="6900.00")
    return persona(
        "uma-override",
        "Uma Override",
        "one disputed collection breaks a soft rule: an override needs two reviewers",
        Expected(
            recommendation=Recommendation.DECLINE,
            gates=("underwriter", "second_approval"),
            reasons=(ReasonCode.COLLECTION_OR_JUDGMENT,),
        ),
        (person,),
        amount="9000.00",
        bureau=_pristine(person).model_copy(
            update={
                "collections": (
                    Collection(amount=Decimal("940.00"), reported_on=date(2026, 3, 12)),
                )
            }
        ),
    )


def minnie_minor() -> Persona:
    person = Person(
        "Minnie",
        "Minor",
        "538-72-7527",
        income="1400.00",
        housing="0.00",
        dob=date(2009, 3, 14),
        since=date(2026, 1, 5),
    )
    return persona(
        "minnie-minor",
        "Minnie Minor",
        "seventeen years old: declined before any agent is asked",
        Expected(
            recommendation=Recommendation.DECLINE,
            outcome=Outcome.DECLINE,
            reasons=(ReasonCode.BELOW_LEGAL_AGE,),
        ),
        (person,),
        amount="1500.00",
        term=12,
    )


def dora_duplicate() -> Persona:
    person = Person("Dora", "Duplicate", "539-83-8638", income="6700.00")
    return persona(
        "dora-duplicate",
        "Dora Duplicate",
        "an ordinary case that is submitted twice",
        _APPROVED,
        (person,),
        amount="9500.00",
        bureau=_pristine(person),
    )


def stella_stress() -> Persona:
    person = Person(
        "Stella", "Stress", "540-94-9749", income="5000.00", housing="1280.00", dependents=4
    )
    return persona(
        "stella-stress",
        "Stella Stress",
        "can pay today, but not if rates rise by three points",
        Expected(
            recommendation=Recommendation.REFER,
            gates=("underwriter",),
            refer_reasons=(ReasonCode.RESIDUAL_INCOME_LOW,),
        ),
        (person,),
        amount="15000.00",
        term=48,
        bureau=report(
            person,
            752,
            card("10000.00", "1200.00", "60.00", opened_on=date(2011, 9, 1)),
            card("7000.00", "700.00", "45.00", opened_on=date(2015, 6, 1)),
            loan("21000.00", "9000.00", "330.00"),
        ),
    )


PERSONAS: tuple[Callable[[], Persona], ...] = (
    ada_prime,
    ben_midland,
    theo_thinfile,
    nora_nohit,
    syd_synthetic,
    erin_expired,
    ivan_mismatch,
    dee_debtor,
    sam_sanction,
    sam_namesake,
    pat_potential,
    fay_freeze,
    max_missing,
    cora_corrupt,
    bora_borderline,
    leo_large,
    connie_counter,
    alma_alert,
    jo_kit_joint,
    bella_bankrupt,
    tim_timeout,
    uma_override,
    minnie_minor,
    dora_duplicate,
    stella_stress,
)


def files() -> dict[str, str]:
    """The text of every persona file, by file name."""
    return {
        f"{case.application.application_id}.json": json.dumps(
            case.model_dump(mode="json"), indent=2, ensure_ascii=False
        )
        + "\n"
        for case in (describe() for describe in PERSONAS)
    }


def write(folder: Path) -> None:
    """Write all files into a folder, and replace existing files."""
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parent)
