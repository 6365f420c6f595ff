"""Cases that the policy approves, or would approve for a smaller amount."""

from __future__ import annotations

from datetime import date

from data.contracts.application import ApplicantRole
from data.contracts.case import CaseFile
from data.synthetic.builder import bundle
from tools.modelling.cases import (
    LISTED,
    Draw,
    affordable,
    burdened,
    case,
    papers,
    sound,
    terms_at,
)
from tools.modelling.credit_files import (
    clean,
    middling,
    obligations,
)


def approve(draw: Draw) -> CaseFile:
    """An old clean file and an affordable loan."""
    return sound(draw, draw.person())


def approve_middling(draw: Draw) -> CaseFile:
    """A younger file with a late payment long ago: approved at a worse rate."""
    who = draw.person(age=(26, 60))
    return sound(draw, who, middling(draw.rng, who))


def approve_joint(draw: Draw) -> CaseFile:
    """Two people of one household."""
    who = draw.person()
    other = draw.second_person(last=who.last, home=who.home, housing=who.housing)
    file = clean(draw.rng, who)
    return bundle(
        draw.application_id,
        (who, other),
        amount=affordable(draw.rng, who, obligations(file))[0],
        documents=(*papers(who), *papers(other, ApplicantRole.CO)),
        bureau=file,
        co_bureau=clean(draw.rng, other),
    )


def approve_namesake(draw: Draw) -> CaseFile:
    """The name of a listed person, born twenty years later."""
    first, last, dob = draw.rng.choice(LISTED)
    return sound(draw, draw.person(first=first, last=last, dob=_years_after(dob, 20)))


def _years_after(day: date, years: int) -> date:
    return day.replace(year=day.year + years)


def counter_offer(draw: Draw) -> CaseFile:
    """Debt to income between the cap of 43 % and the limit of 50 %."""
    who = burdened(draw)
    file = clean(draw.rng, who)
    return case(draw, who, file, terms_at(who, file, draw.rng.uniform(0.445, 0.485)))
