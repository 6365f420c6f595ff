"""The price of a loan as data: base rates by grade and term, fees, and legal APR caps."""

from __future__ import annotations

import operator
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from data.contracts.application import StateCode
from data.contracts.base import Contract, Flag, Money, Rate, Slug
from data.contracts.decision import Grade
from data.contracts.quantities import Months

YearlyRate = Annotated[Rate, Field(gt=0, lt=1)]
TermMonths = Annotated[Months, Field(ge=1)]


class AprCaps(Contract):
    """The highest allowed annual percentage rate, including the fee."""

    lender: YearlyRate
    covered_borrower: YearlyRate
    """Under the Military Lending Act, 36 %."""
    states: dict[StateCode, YearlyRate]
    only_listed_states: Flag = Field(default=False, exclude_if=operator.not_)
    """Whether a state that is not listed has no price. False only in tables that older runs have
    pinned: `load_prices` refuses it. They are hashed without it."""

    def in_state(self, state: str) -> Rate | None:
        """The cap for every borrower of a state; None where the lender has no price."""
        if state not in self.states and self.only_listed_states:
            return None
        return min(self.lender, self.states.get(state, self.lender))

    def for_loan(self, state: str, *, covered_borrower: bool) -> Rate | None:
        """The lowest cap that applies to a borrower; None where the lender has no price."""
        cap = self.in_state(state)
        return cap if cap is None or not covered_borrower else min(cap, self.covered_borrower)


class CostFloor(Contract):
    """What a loan costs the lender, per year, as fractions of the principal."""

    cost_of_funds: Annotated[Rate, Field(ge=0, lt=1)]
    operating_cost: Annotated[Rate, Field(ge=0, lt=1)]
    loss_given_default: Annotated[Rate, Field(gt=0, le=1)]
    default_probability: dict[Grade, Annotated[Rate, Field(gt=0, lt=1)]]
    """Of a typical loan of each grade, within a year."""
    capital: Annotated[Rate, Field(ge=0, lt=1)]
    """The share of the loan that is held as capital."""
    hurdle: Annotated[Rate, Field(ge=0, lt=1)]
    """The return that the owners require on it."""

    @model_validator(mode="after")
    def _every_grade_has_a_loss(self) -> Self:
        if set(self.default_probability) != set(Grade):
            raise ValueError("default_probability needs every grade")
        return self

    def rate_for(self, grade: Grade) -> Rate:
        """The lowest rate that covers the cost: funds + operations + loss + capital."""
        loss = self.default_probability[grade] * self.loss_given_default
        capital = self.capital * max(Decimal(0), self.hurdle - self.cost_of_funds)
        return self.cost_of_funds + self.operating_cost + loss + capital


class PriceTable(Contract):
    """The versioned price file. Rates are nominal, per year, as fractions."""

    table: Slug
    version: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    terms: Annotated[tuple[TermMonths, ...], Field(min_length=1)]
    """Terms that a counter-offer may have, in months. A reviewer may choose any term from the
    shortest to the longest, at the price of the next listed term."""
    rates: dict[Grade, dict[TermMonths, YearlyRate]]
    origination_fee: dict[Grade, Annotated[Rate, Field(ge=0, lt=1)]]
    indicative_grade: Grade
    """The grade that the affordability check assumes while the grade is not known."""
    ungraded_as: Grade
    lowest_rate: YearlyRate
    highest_rate: YearlyRate
    floor: Annotated[CostFloor | None, Field(exclude_if=operator.not_)] = None
    """None only in tables that older runs have pinned. They are hashed without it."""
    apr_caps: AprCaps
    offer_valid_days: Annotated[int, Field(strict=True, ge=1)]
    counter_offer_step: Annotated[Money, Field(gt=0)]
    """Counter-offers are multiples of this amount."""

    @model_validator(mode="after")
    def _every_grade_has_a_price_for_every_term(self) -> Self:
        if list(self.terms) != sorted(set(self.terms)):
            raise ValueError("terms must be different and in ascending order")
        if set(self.rates) != set(Grade) or set(self.origination_fee) != set(Grade):
            raise ValueError("every grade needs rates and a fee")
        if any(set(by_term) != set(self.terms) for by_term in self.rates.values()):
            raise ValueError("every grade needs a rate for every term")
        allowed = (self.lowest_rate, self.highest_rate)
        for by_term in self.rates.values():
            if any(not allowed[0] <= rate <= allowed[1] for rate in by_term.values()):
                raise ValueError("a rate lies outside lowest_rate and highest_rate")
        for grade, by_term in self.rates.items():
            if min(by_term.values()) < self.floor_of(grade):
                raise ValueError(f"a rate of grade {grade} lies below its floor")
        return self

    def floor_of(self, grade: Grade) -> Rate:
        """The lowest rate of a grade: no loan is priced below its cost."""
        if self.floor is None:
            return self.lowest_rate
        return max(self.lowest_rate, self.floor.rate_for(grade))

    def base_rate(self, grade: Grade | None, term_months: int) -> Rate:
        """The rate of a grade for the shortest listed term that is long enough.

        A term beyond the longest is priced as the longest.
        """
        listed = next((term for term in self.terms if term_months <= term), self.terms[-1])
        return self.rates[grade or self.ungraded_as][listed]
