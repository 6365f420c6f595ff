"""Cases that wait for a person, or for the applicant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from data.contracts.bureau import (
    BureauAlert,
    BureauStatus,
    Collection,
)
from data.contracts.case import CaseFile
from data.synthetic.builder import (
    inquiries,
    licence,
    months_before,
    report,
)
from tools.modelling.cases import (
    LISTED,
    Draw,
    affordable,
    case,
    papers,
    sound,
    terms_at,
)
from tools.modelling.credit_files import (
    cards,
    clean,
    obligations,
    weak,
)


def decline_disputable(draw: Draw) -> CaseFile:
    """An unpaid collection, which an underwriter checks before the letter goes out."""
    who = draw.person()
    owed = Collection(
        amount=Decimal(draw.rng.randrange(600, 1400)),
        reported_on=months_before(draw.as_of, draw.rng.randint(2, 9)),
    )
    return sound(draw, who, clean(draw.rng, who, collections=(owed,)))


def refer_compliance(draw: Draw) -> CaseFile:
    """The name of a listed person, born within a year of that person."""
    first, last, dob = draw.rng.choice(LISTED)
    near = dob + timedelta(days=draw.rng.randrange(30, 300))
    return sound(draw, draw.person(first=first, last=last, dob=near))


def refer_borderline(draw: Draw) -> CaseFile:
    """A default risk of 6 to 12 %."""
    who = draw.person(age=(27, 55))
    return sound(draw, who, weak(draw.rng, who))


def refer_thin_file(draw: Draw) -> CaseFile:
    """One account, some months old."""
    who = draw.person(age=(21, 27), income=(3000, 4800), dependents=0)
    (only,) = cards(draw.rng, who, 1, (4, 10), (0.1, 0.25))
    file = report(who, draw.rng.randint(645, 690), only, status=BureauStatus.THIN)
    return sound(draw, who, file)


def refer_no_hit(draw: Draw) -> CaseFile:
    """No file at the bureau."""
    who = draw.person(age=(22, 40))
    file = report(who, None, status=BureauStatus.NO_HIT, subject_ssn_last4=None)
    return sound(draw, who, file)


def refer_income(draw: Draw) -> CaseFile:
    """Papers that show far less income than was stated."""
    who = draw.person(income=(5200, 9000), dependents=0)
    who = replace(who, housing=f"{float(who.income) * 0.1:.2f}")
    shown = f"{float(who.income) * draw.rng.uniform(0.58, 0.7):.2f}"
    file = clean(draw.rng, who)
    terms = affordable(draw.rng, who, obligations(file) + 0.3 * float(who.income), 6000)
    return case(draw, who, file, terms, documents=papers(who, income=shown))


def refer_alert(draw: Draw) -> CaseFile:
    """An active-duty alert on the file."""
    who = draw.person(extra={"military_covered_borrower": True})
    return sound(draw, who, clean(draw.rng, who, alerts=(BureauAlert.ACTIVE_DUTY,)))


def refer_inquiries(draw: Draw) -> CaseFile:
    """More than six inquiries in six months."""
    who = draw.person()
    asked = inquiries(draw.rng.randint(7, 8), draw.as_of)
    return sound(draw, who, clean(draw.rng, who, inquiries=asked))


def refer_large(draw: Draw) -> CaseFile:
    """More than the desk approves by itself."""
    who = draw.person(income=(13500, 17000), dependents=0)
    return case(draw, who, clean(draw.rng, who), (f"{draw.rng.randrange(36, 46)}000.00", 60))


def refer_residual(draw: Draw) -> CaseFile:
    """Debt to income is low enough, and a large family has too little left."""
    who = draw.person(income=(4000, 5000), dependents=6)
    file = clean(draw.rng, who)
    return case(draw, who, file, terms_at(who, file, draw.rng.uniform(0.39, 0.415)))


def refer_bureau_down(draw: Draw) -> CaseFile:
    """A bureau that answers with an error."""
    who = draw.person()
    file = report(who, None, status=BureauStatus.ERROR, subject_ssn_last4=None)
    return sound(draw, who, file)


def incomplete_frozen(draw: Draw) -> CaseFile:
    """A file that the applicant has frozen or locked."""
    who = draw.person()
    status = draw.rng.choice((BureauStatus.FROZEN, BureauStatus.LOCKED))
    return sound(draw, who, report(who, None, status=status))


def documents_missing(draw: Draw) -> CaseFile:
    """No proof of income."""
    who = draw.person()
    identity, _, account = papers(who)
    return sound(draw, who, documents=(identity, account))


def documents_expired(draw: Draw) -> CaseFile:
    """An expired licence."""
    who = draw.person()
    _, pay, account = papers(who)
    expired = draw.as_of - timedelta(days=draw.rng.randrange(5, 200))
    return sound(
        draw,
        who,
        documents=(licence(who, expires=min(expired, expired.replace(day=28))), pay, account),
    )


def documents_torn(draw: Draw) -> CaseFile:
    """A paystub of which half is there."""
    who = draw.person()
    identity, pay, account = papers(who)
    half = pay.content_base64[: len(pay.content_base64) // 8 * 4]
    return sound(
        draw,
        who,
        documents=(identity, pay.model_copy(update={"content_base64": half}), account),
    )
