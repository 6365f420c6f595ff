"""The branches of underwriting that a synthetic portfolio has, with the share of each.

Each branch makes a case that ends there under the shipped policy, scorecards and watchlist. The
makers leave a margin to every limit, so that small changes of a policy move few cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from data.contracts.application import ApplicantRole, Purpose
from data.contracts.bureau import (
    BureauAlert,
    BureauReport,
    BureauStatus,
    Collection,
    EcoaDesignator,
    PublicRecord,
    PublicRecordStatus,
    PublicRecordType,
)
from data.contracts.case import CaseFile
from data.contracts.documents import Document
from data.contracts.fraud import IdentityLink, PhoneType, Seen, SharedTrait, Velocity
from data.contracts.policy import ReasonCode, Recommendation
from data.synthetic.builder import (
    Person,
    bank_statement,
    bundle,
    inquiries,
    licence,
    months_before,
    ordinary_signals,
    paystub,
    report,
)
from tools.modelling.credit_files import (
    cards,
    clean,
    instalments,
    middling,
    obligations,
    poor,
    weak,
)
from tools.modelling.people import home, person

_LISTED = (
    ("Orlan", "Vestergrad", date(1958, 2, 11)),
    ("Mirela", "Kostandov", date(1966, 7, 30)),
    ("Farrukh", "Delvari", date(1954, 8, 15)),
    ("Goran", "Petrushevac", date(1959, 5, 25)),
    ("Pavel", "Nechayenko", date(1964, 11, 2)),
    ("Carmelo", "Scaturrese", date(1956, 6, 14)),
    ("Rafik", "Benlahouari", date(1967, 3, 26)),
)
"""Invented people of `data/watchlists/sanctions.json`."""

_ASSUMED_RATE = 0.1299
"""The rate of affordability over 48 months: grade C of `data/policy/prices.yaml`."""
_CAUTIOUS_RATE = 0.17
"""Above the assumed rate under stress, so that no limit is met closely."""


@dataclass(frozen=True)
class Draw:
    """What one row is made of: its place in the portfolio, and its own random numbers."""

    rng: Random
    application_id: str
    number: int
    as_of: date

    def person(self, **differs: Any) -> Person:
        return person(self.rng, self.as_of, 2 * self.number, **differs)

    def second_person(self, **differs: Any) -> Person:
        return person(self.rng, self.as_of, 2 * self.number + 1, **differs)


@dataclass(frozen=True)
class Branch:
    """One way through the workflow, as far as it goes before a person answers."""

    name: str
    share: int
    """Of 1,000 rows."""
    recommendation: Recommendation | None
    """Of the policy; None when the case waits before it."""
    gate: str | None
    """The first gate that asks; None when no person is asked."""
    reason: ReasonCode | None
    """The reason of a rule that hits; None when none needs to."""
    make: Callable[[Draw], CaseFile]


def _papers(
    who: Person, role: ApplicantRole = ApplicantRole.PRIMARY, *, income: str | None = None
) -> tuple[Document, ...]:
    return (
        licence(who, role, expires=_birthday(who, 3)),
        paystub(who, role, income=income),
        bank_statement(who, role, income=income),
    )


def _birthday(who: Person, years: int) -> date:
    """A birthday some years after the as-of date, or a day later in a year without one."""
    return date(who.as_of.year + years, who.dob.month, min(who.dob.day, 28))


def _case(
    draw: Draw, who: Person, bureau: BureauReport | None, terms: tuple[str, int], **differs: Any
) -> CaseFile:
    amount, term = terms
    found = {
        "documents": _papers(who),
        "purpose": draw.rng.choice(tuple(Purpose)),
        "bureau": bureau,
        "signals": ordinary_signals(
            draw.application_id,
            ip_distance_km=draw.rng.randrange(60),
            email_age_days=draw.rng.randrange(200, 4000),
        ),
    }
    return bundle(draw.application_id, (who,), amount=amount, term=term, **(found | differs))


def _affordable(rng: Random, who: Person, debts: float, most: float = 32000) -> tuple[str, int]:
    """An amount and a term within every limit, with a margin."""
    income, term = float(who.income), rng.choice((24, 36, 48, 60))
    spent = debts + float(who.housing)
    living = 850 + 250 * who.dependents
    room = min(0.37 * income - spent, 0.77 * income - spent - living)
    amount = _principal(room * rng.uniform(0.35, 0.9), term)
    return f"{max(1000, min(amount, most, 3.8 * income)) // 100 * 100:.2f}", term


def _principal(payment: float, term: int, yearly_rate: float = _CAUTIOUS_RATE) -> float:
    monthly = yearly_rate / 12
    return payment * (1 - (1 + monthly) ** -term) / monthly


def _sound(draw: Draw, who: Person, bureau: BureauReport | None = None, **differs: Any) -> CaseFile:
    """A case without a fault, for a branch to add one."""
    file = bureau if bureau is not None else clean(draw.rng, who)
    return _case(draw, who, file, _affordable(draw.rng, who, obligations(file)), **differs)


def _approve(draw: Draw) -> CaseFile:
    return _sound(draw, draw.person())


def _approve_middling(draw: Draw) -> CaseFile:
    who = draw.person(age=(26, 60))
    return _sound(draw, who, middling(draw.rng, who))


def _approve_joint(draw: Draw) -> CaseFile:
    who = draw.person()
    other = draw.second_person(last=who.last, home=who.home, housing=who.housing)
    file = clean(draw.rng, who)
    return bundle(
        draw.application_id,
        (who, other),
        amount=_affordable(draw.rng, who, obligations(file))[0],
        documents=(*_papers(who), *_papers(other, ApplicantRole.CO)),
        bureau=file,
        co_bureau=clean(draw.rng, other),
    )


def _approve_namesake(draw: Draw) -> CaseFile:
    first, last, dob = draw.rng.choice(_LISTED)
    return _sound(draw, draw.person(first=first, last=last, dob=_years_after(dob, 20)))


def _years_after(day: date, years: int) -> date:
    return day.replace(year=day.year + years)


def _counter_offer(draw: Draw) -> CaseFile:
    """Debt to income between the cap of 43 % and the limit of 50 %."""
    who = _burdened(draw)
    file = clean(draw.rng, who)
    return _case(draw, who, file, _terms_at(who, file, draw.rng.uniform(0.445, 0.485)))


def _decline_obligations(draw: Draw) -> CaseFile:
    who = _burdened(draw)
    file = clean(draw.rng, who)
    more = instalments(draw.rng, who, (0.13, 0.18))
    file = file.model_copy(update={"tradelines": (*file.tradelines, more)})
    return _case(draw, who, file, _terms_at(who, file, draw.rng.uniform(0.54, 0.62)))


def _burdened(draw: Draw) -> Person:
    """A person whose rent is high for the income."""
    who = draw.person(income=(3400, 4600), dependents=0)
    rent = float(who.income) * draw.rng.uniform(0.26, 0.29)
    return replace(who, housing=f"{rent:.2f}")


def _terms_at(who: Person, bureau: BureauReport, debt_to_income: float) -> tuple[str, int]:
    """The amount over 48 months that leads to a debt to income, at the rate of the policy."""
    payment = debt_to_income * float(who.income) - obligations(bureau) - float(who.housing)
    amount = min(34000.0, max(2500.0, _principal(payment, 48, _ASSUMED_RATE)))
    return f"{amount // 100 * 100:.2f}", 48


def _decline_bankruptcy(draw: Draw) -> CaseFile:
    who = draw.person()
    discharged = months_before(draw.as_of, draw.rng.randint(8, 20))
    record = PublicRecord(
        type=PublicRecordType.BANKRUPTCY_CHAPTER_7,
        filed_on=discharged - timedelta(days=160),
        status=PublicRecordStatus.DISCHARGED,
        discharged_on=discharged,
    )
    return _sound(draw, who, middling(draw.rng, who, public_records=(record,)))


def _decline_past_due(draw: Draw) -> CaseFile:
    who = draw.person()
    file = middling(draw.rng, who)
    *others, last = file.tradelines
    late = last.model_copy(
        update={
            "days_past_due": draw.rng.randint(62, 85),
            "past_due": last.payment_monthly * 2,
            "dpd_30_count": 2,
            "dpd_60_count": 1,
            "last_delinquency": months_before(draw.as_of, 0),
        }
    )
    return _sound(draw, who, file.model_copy(update={"tradelines": (*others, late)}))


def _decline_score(draw: Draw) -> CaseFile:
    who = draw.person(age=(24, 55))
    return _sound(draw, who, poor(draw.rng, who))


def _decline_identity(draw: Draw) -> CaseFile:
    """An invented identity: a number newer than the person, borrowed accounts, a shared phone."""
    who = draw.person(age=(38, 60))
    who = draw.person(dob=who.dob, ssn=f"784{who.ssn[3:]}")
    borrowed = cards(
        draw.rng, who, 2, (90, 160), (0.02, 0.05), designator=EcoaDesignator.AUTHORIZED_USER
    )
    file = report(
        who, draw.rng.randint(690, 760), *borrowed, file_since=months_before(draw.as_of, 15)
    )
    signals = ordinary_signals(
        draw.application_id,
        phone_type=PhoneType.VOIP,
        email_age_days=draw.rng.randrange(20, 60),
        identity_links=(IdentityLink(trait=SharedTrait.PHONE, identities=draw.rng.randint(3, 6)),),
        velocity=Velocity(phone=Seen(days_1=1, days_7=2, days_30=4)),
    )
    return _sound(draw, who, file, signals=signals)


def _decline_minor(draw: Draw) -> CaseFile:
    born = draw.as_of - timedelta(days=round(17.5 * 365.25) - draw.rng.randrange(150))
    who = draw.person(
        dob=born,
        income=(1200, 1600),
        housing="0.00",
        dependents=0,
        since=draw.as_of - timedelta(days=90),
    )
    return _case(draw, who, None, ("1500.00", 12), documents=())


def _decline_outside_area(draw: Draw) -> CaseFile:
    return _sound(draw, draw.person(home=home(draw.rng, is_served=False)))


def _decline_sanctions(draw: Draw) -> CaseFile:
    first, last, dob = draw.rng.choice(_LISTED)
    return _sound(draw, draw.person(first=first, last=last, dob=dob))


def _refer_collection(draw: Draw) -> CaseFile:
    who = draw.person()
    owed = Collection(
        amount=Decimal(draw.rng.randrange(600, 1400)),
        reported_on=months_before(draw.as_of, draw.rng.randint(2, 9)),
    )
    return _sound(draw, who, clean(draw.rng, who, collections=(owed,)))


def _refer_compliance(draw: Draw) -> CaseFile:
    first, last, dob = draw.rng.choice(_LISTED)
    near = dob + timedelta(days=draw.rng.randrange(30, 300))
    return _sound(draw, draw.person(first=first, last=last, dob=near))


def _refer_borderline(draw: Draw) -> CaseFile:
    who = draw.person(age=(27, 55))
    return _sound(draw, who, weak(draw.rng, who))


def _refer_thin_file(draw: Draw) -> CaseFile:
    who = draw.person(age=(21, 27), income=(3000, 4800), dependents=0)
    (only,) = cards(draw.rng, who, 1, (4, 10), (0.1, 0.25))
    file = report(who, draw.rng.randint(645, 690), only, status=BureauStatus.THIN)
    return _sound(draw, who, file)


def _refer_no_hit(draw: Draw) -> CaseFile:
    who = draw.person(age=(22, 40))
    file = report(who, None, status=BureauStatus.NO_HIT, subject_ssn_last4=None)
    return _sound(draw, who, file)


def _refer_income(draw: Draw) -> CaseFile:
    who = draw.person(income=(5200, 9000), dependents=0)
    who = replace(who, housing=f"{float(who.income) * 0.1:.2f}")
    shown = f"{float(who.income) * draw.rng.uniform(0.58, 0.7):.2f}"
    file = clean(draw.rng, who)
    terms = _affordable(draw.rng, who, obligations(file) + 0.3 * float(who.income), 6000)
    return _case(draw, who, file, terms, documents=_papers(who, income=shown))


def _refer_alert(draw: Draw) -> CaseFile:
    who = draw.person(extra={"military_covered_borrower": True})
    return _sound(draw, who, clean(draw.rng, who, alerts=(BureauAlert.ACTIVE_DUTY,)))


def _refer_inquiries(draw: Draw) -> CaseFile:
    who = draw.person()
    asked = inquiries(draw.rng.randint(7, 8), draw.as_of)
    return _sound(draw, who, clean(draw.rng, who, inquiries=asked))


def _refer_large(draw: Draw) -> CaseFile:
    who = draw.person(income=(13500, 17000), dependents=0)
    return _case(draw, who, clean(draw.rng, who), (f"{draw.rng.randrange(36, 46)}000.00", 60))


def _refer_residual(draw: Draw) -> CaseFile:
    """Debt to income is low enough, and a large family has too little left."""
    who = draw.person(income=(4000, 5000), dependents=6)
    file = clean(draw.rng, who)
    return _case(draw, who, file, _terms_at(who, file, draw.rng.uniform(0.39, 0.415)))


def _refer_bureau_down(draw: Draw) -> CaseFile:
    who = draw.person()
    file = report(who, None, status=BureauStatus.ERROR, subject_ssn_last4=None)
    return _sound(draw, who, file)


def _incomplete_frozen(draw: Draw) -> CaseFile:
    who = draw.person()
    status = draw.rng.choice((BureauStatus.FROZEN, BureauStatus.LOCKED))
    return _sound(draw, who, report(who, None, status=status))


def _documents_missing(draw: Draw) -> CaseFile:
    who = draw.person()
    identity, _, account = _papers(who)
    return _sound(draw, who, documents=(identity, account))


def _documents_expired(draw: Draw) -> CaseFile:
    who = draw.person()
    _, pay, account = _papers(who)
    expired = draw.as_of - timedelta(days=draw.rng.randrange(5, 200))
    return _sound(
        draw,
        who,
        documents=(licence(who, expires=min(expired, expired.replace(day=28))), pay, account),
    )


def _documents_torn(draw: Draw) -> CaseFile:
    who = draw.person()
    identity, pay, account = _papers(who)
    half = pay.content_base64[: len(pay.content_base64) // 8 * 4]
    return _sound(
        draw,
        who,
        documents=(identity, pay.model_copy(update={"content_base64": half}), account),
    )


_APPROVE, _DECLINE, _REFER = (
    Recommendation.APPROVE,
    Recommendation.DECLINE,
    Recommendation.REFER,
)

BRANCHES: tuple[Branch, ...] = (
    Branch("approve", 390, _APPROVE, None, None, _approve),
    Branch("approve_middling", 140, _APPROVE, None, None, _approve_middling),
    Branch("approve_joint", 30, _APPROVE, None, None, _approve_joint),
    Branch("approve_namesake", 5, _APPROVE, None, None, _approve_namesake),
    Branch(
        "counter_offer",
        60,
        Recommendation.COUNTER_OFFER,
        None,
        ReasonCode.EXCESSIVE_OBLIGATIONS,
        _counter_offer,
    ),
    Branch(
        "decline_obligations",
        55,
        _DECLINE,
        None,
        ReasonCode.EXCESSIVE_OBLIGATIONS,
        _decline_obligations,
    ),
    Branch("decline_bankruptcy", 15, _DECLINE, None, ReasonCode.BANKRUPTCY, _decline_bankruptcy),
    Branch(
        "decline_past_due",
        20,
        _DECLINE,
        None,
        ReasonCode.DELINQUENT_OBLIGATIONS,
        _decline_past_due,
    ),
    Branch("decline_score", 45, _DECLINE, None, ReasonCode.DELINQUENT_OBLIGATIONS, _decline_score),
    Branch("decline_identity", 8, _DECLINE, None, ReasonCode.FRAUD_SUSPECTED, _decline_identity),
    Branch("decline_minor", 4, _DECLINE, None, ReasonCode.BELOW_LEGAL_AGE, _decline_minor),
    Branch(
        "decline_outside_area",
        10,
        _DECLINE,
        None,
        ReasonCode.OUTSIDE_LENDING_AREA,
        _decline_outside_area,
    ),
    Branch("decline_sanctions", 2, _DECLINE, None, ReasonCode.SANCTIONS_MATCH, _decline_sanctions),
    Branch(
        "decline_disputable",
        10,
        _DECLINE,
        "underwriter",
        ReasonCode.COLLECTION_OR_JUDGMENT,
        _refer_collection,
    ),
    Branch(
        "refer_compliance",
        4,
        _REFER,
        "compliance",
        ReasonCode.IDENTITY_UNVERIFIABLE,
        _refer_compliance,
    ),
    Branch(
        "refer_borderline",
        40,
        _REFER,
        "underwriter",
        ReasonCode.DELINQUENT_OBLIGATIONS,
        _refer_borderline,
    ),
    Branch(
        "refer_thin_file",
        30,
        _REFER,
        "underwriter",
        ReasonCode.LIMITED_CREDIT_EXPERIENCE,
        _refer_thin_file,
    ),
    Branch("refer_no_hit", 15, _REFER, "underwriter", ReasonCode.NO_CREDIT_FILE, _refer_no_hit),
    Branch(
        "refer_income", 20, _REFER, "underwriter", ReasonCode.INCOME_UNVERIFIABLE, _refer_income
    ),
    Branch("refer_alert", 6, _REFER, "underwriter", ReasonCode.IDENTITY_UNVERIFIABLE, _refer_alert),
    Branch(
        "refer_inquiries", 10, _REFER, "underwriter", ReasonCode.RECENT_INQUIRIES, _refer_inquiries
    ),
    Branch("refer_large", 10, _REFER, "underwriter", ReasonCode.TERMS_NOT_OFFERED, _refer_large),
    Branch(
        "refer_residual", 12, _REFER, "underwriter", ReasonCode.RESIDUAL_INCOME_LOW, _refer_residual
    ),
    Branch("refer_bureau_down", 4, _REFER, "underwriter", None, _refer_bureau_down),
    Branch("incomplete_frozen", 15, Recommendation.INCOMPLETE, None, None, _incomplete_frozen),
    Branch("documents_missing", 22, None, "documents", None, _documents_missing),
    Branch("documents_expired", 12, None, "documents", None, _documents_expired),
    Branch("documents_torn", 6, None, "documents", None, _documents_torn),
)
