"""Cases that the policy declines, each for one reason."""

from __future__ import annotations

from datetime import timedelta

from data.contracts.bureau import (
    EcoaDesignator,
    PublicRecord,
    PublicRecordStatus,
    PublicRecordType,
)
from data.contracts.case import CaseFile
from data.contracts.fraud import IdentityLink, PhoneType, Seen, SharedTrait, Velocity
from data.synthetic.builder import (
    months_before,
    ordinary_signals,
    report,
)
from tools.modelling.cases import (
    LISTED,
    Draw,
    burdened,
    case,
    sound,
    terms_at,
)
from tools.modelling.credit_files import (
    cards,
    clean,
    instalments,
    middling,
    poor,
)
from tools.modelling.people import home


def decline_obligations(draw: Draw) -> CaseFile:
    """More than half of the income would go to creditors."""
    who = burdened(draw)
    file = clean(draw.rng, who)
    more = instalments(draw.rng, who, (0.13, 0.18))
    file = file.model_copy(update={"tradelines": (*file.tradelines, more)})
    return case(draw, who, file, terms_at(who, file, draw.rng.uniform(0.54, 0.62)))


def decline_bankruptcy(draw: Draw) -> CaseFile:
    """A bankruptcy that was discharged less than 24 months ago."""
    who = draw.person()
    discharged = months_before(draw.as_of, draw.rng.randint(8, 20))
    record = PublicRecord(
        type=PublicRecordType.BANKRUPTCY_CHAPTER_7,
        filed_on=discharged - timedelta(days=160),
        status=PublicRecordStatus.DISCHARGED,
        discharged_on=discharged,
    )
    return sound(draw, who, middling(draw.rng, who, public_records=(record,)))


def decline_past_due(draw: Draw) -> CaseFile:
    """A loan that is more than 60 days past due."""
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
    return sound(draw, who, file.model_copy(update={"tradelines": (*others, late)}))


def decline_score(draw: Draw) -> CaseFile:
    """A score below the least one."""
    who = draw.person(age=(24, 55))
    return sound(draw, who, poor(draw.rng, who))


def decline_identity(draw: Draw) -> CaseFile:
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
    return sound(draw, who, file, signals=signals)


def decline_minor(draw: Draw) -> CaseFile:
    """An applicant of 17 years."""
    born = draw.as_of - timedelta(days=round(17.5 * 365.25) - draw.rng.randrange(150))
    who = draw.person(
        dob=born,
        income=(1200, 1600),
        housing="0.00",
        dependents=0,
        since=draw.as_of - timedelta(days=90),
    )
    return case(draw, who, None, ("1500.00", 12), documents=())


def decline_outside_area(draw: Draw) -> CaseFile:
    """A home in a state that is not served."""
    return sound(draw, draw.person(home=home(draw.rng, is_served=False)))


def decline_sanctions(draw: Draw) -> CaseFile:
    """Name and date of birth of a listed person."""
    first, last, dob = draw.rng.choice(LISTED)
    return sound(draw, draw.person(first=first, last=last, dob=dob))
