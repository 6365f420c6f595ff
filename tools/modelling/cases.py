"""What the cases of all branches are made of: the draw of a row, papers, affordable terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

from data.contracts.application import ApplicantRole, Purpose
from data.contracts.bureau import BureauReport
from data.contracts.case import CaseFile
from data.contracts.documents import Document
from data.synthetic.builder import (
    Person,
    bank_statement,
    bundle,
    licence,
    ordinary_signals,
    paystub,
)
from tools.modelling.credit_files import (
    clean,
    obligations,
)
from tools.modelling.people import person

LISTED = (
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


def papers(
    who: Person, role: ApplicantRole = ApplicantRole.PRIMARY, *, income: str | None = None
) -> tuple[Document, ...]:
    """Licence, paystub and bank statement of a person. `income` is what the papers show."""
    return (
        licence(who, role, expires=birthday(who, 3)),
        paystub(who, role, income=income),
        bank_statement(who, role, income=income),
    )


def birthday(who: Person, years: int) -> date:
    """A birthday some years after the as-of date, on the 28th at the latest."""
    return date(who.as_of.year + years, who.dob.month, min(who.dob.day, 28))


def case(
    draw: Draw, who: Person, bureau: BureauReport | None, terms: tuple[str, int], **differs: Any
) -> CaseFile:
    """A case of one person. `terms` are amount and months; `differs` are arguments of `bundle`."""
    amount, term = terms
    found = {
        "documents": papers(who),
        "purpose": draw.rng.choice(tuple(Purpose)),
        "bureau": bureau,
        "signals": ordinary_signals(
            draw.application_id,
            ip_distance_km=draw.rng.randrange(60),
            email_age_days=draw.rng.randrange(200, 4000),
        ),
    }
    return bundle(draw.application_id, (who,), amount=amount, term=term, **(found | differs))


def affordable(rng: Random, who: Person, debts: float, most: float = 32000) -> tuple[str, int]:
    """An amount and a term within every limit, with a margin."""
    income, term = float(who.income), rng.choice((24, 36, 48, 60))
    spent = debts + float(who.housing)
    living = 850 + 250 * who.dependents
    room = min(0.37 * income - spent, 0.77 * income - spent - living)
    amount = principal(room * rng.uniform(0.35, 0.9), term)
    return f"{max(1000, min(amount, most, 3.8 * income)) // 100 * 100:.2f}", term


def principal(payment: float, term: int, yearly_rate: float = _CAUTIOUS_RATE) -> float:
    """The loan in dollars that a monthly payment repays over a term in months."""
    monthly = yearly_rate / 12
    return payment * (1 - (1 + monthly) ** -term) / monthly


def sound(draw: Draw, who: Person, bureau: BureauReport | None = None, **differs: Any) -> CaseFile:
    """A case without a fault, for a branch to add one."""
    file = bureau if bureau is not None else clean(draw.rng, who)
    return case(draw, who, file, affordable(draw.rng, who, obligations(file)), **differs)


def burdened(draw: Draw) -> Person:
    """A person whose rent is high for the income."""
    who = draw.person(income=(3400, 4600), dependents=0)
    rent = float(who.income) * draw.rng.uniform(0.26, 0.29)
    return replace(who, housing=f"{rent:.2f}")


def terms_at(who: Person, bureau: BureauReport, debt_to_income: float) -> tuple[str, int]:
    """The amount over 48 months that leads to a debt to income, at the rate of the policy."""
    payment = debt_to_income * float(who.income) - obligations(bureau) - float(who.housing)
    amount = min(34000.0, max(2500.0, principal(payment, 48, _ASSUMED_RATE)))
    return f"{amount // 100 * 100:.2f}", 48
