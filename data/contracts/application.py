"""A credit application: the requested loan, and the applicants' own statements.

The contract refuses impossible values field by field, and its errors do not repeat a value.
Values that are possible but not wanted (an age of 17, too large an amount, a state that the
lender does not serve) pass. The policy declines those with a reason.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, LiteralString, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from data.contracts.base import Contract, Day, Flag, Moment, Money, SchemaVersion
from data.contracts.personal import (
    ChosenId,
    Dob,
    Email,
    Line,
    Personal,
    PersonalRecord,
    PersonName,
    Phone,
    RequiredName,
    StreetLine,
)
from data.contracts.quantities import Count, Months
from data.contracts.ssn import is_itin, normal_ssn
from data.contracts.streets import names_street
from data.zones import local_day

_OLDEST_AGE = 120
_FIRST_PAYMENT = (timedelta(days=10), timedelta(days=62))


class Channel(StrEnum):
    BRANCH = "branch"
    WEB = "web"
    PARTNER = "partner"
    BATCH = "batch"


class Product(StrEnum):
    PERSONAL_LOAN = "personal_loan"
    CREDIT_CARD = "credit_card"
    AUTO_LOAN = "auto_loan"


class Purpose(StrEnum):
    DEBT_CONSOLIDATION = "debt_consolidation"
    HOME_IMPROVEMENT = "home_improvement"
    AUTO = "auto"
    MEDICAL = "medical"
    EDUCATION = "education"
    OTHER = "other"


class ApplicantRole(StrEnum):
    PRIMARY = "primary"
    CO = "co"


class Residency(StrEnum):
    CITIZEN = "citizen"
    PERMANENT = "permanent"
    VISA = "visa"
    OTHER = "other"


class EmploymentStatus(StrEnum):
    EMPLOYED = "employed"
    SELF_EMPLOYED = "self_employed"
    RETIRED = "retired"
    BENEFITS = "benefits"
    STUDENT = "student"
    UNEMPLOYED = "unemployed"


class Ownership(StrEnum):
    OWN = "own"
    RENT = "rent"
    FAMILY = "family"
    OTHER = "other"


class OtherIncomeType(StrEnum):
    ALIMONY = "alimony"
    CHILD_SUPPORT = "child_support"
    BENEFITS = "benefits"
    PENSION = "pension"
    RENTAL = "rental"
    PART_TIME = "part_time"
    OTHER = "other"


StateCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
"""A state of the United States by its two postal letters."""

NonNegativeMoney = Annotated[Money, Field(ge=0)]


class Address(PersonalRecord):
    """A present or past address of an applicant. `until` is None for the present address."""

    line1: StreetLine
    city: Line
    state: StateCode
    postal_code: Annotated[str, Field(pattern=r"^[0-9]{5}(-[0-9]{4})?$")]
    since: Day | None = None
    until: Day | None = None
    ownership: Ownership = Ownership.RENT

    @property
    def is_street(self) -> bool:
        """Whether a person can live there: not a post office box or General Delivery alone."""
        return names_street(self.line1)


class Employment(Contract):
    """The applicant's employment as stated. Amounts are gross, per month."""

    status: EmploymentStatus
    employer: Line = ""
    title: Line = ""
    start_date: Day | None = None
    gross_monthly_stated: NonNegativeMoney


class OtherIncome(Contract):
    """Income from another source than the employer. The desk never discounts it for its source."""

    type: OtherIncomeType
    monthly: NonNegativeMoney
    continues_months: Months | None = None
    """For how many months the income is known to continue; None when it has no known end."""


class Applicant(PersonalRecord):
    """One applicant, as described in the application."""

    role: ApplicantRole = ApplicantRole.PRIMARY
    first_name: PersonName = ""
    """Empty when the applicant's whole name is one word."""
    middle_name: PersonName = ""
    last_name: RequiredName
    suffix: PersonName = ""
    dob: Dob
    residency: Residency = Residency.CITIZEN
    ssn: Annotated[str, Personal("ssn")]
    """Social security number as `AAA-GG-SSSS`, or the ITIN of an applicant who is not a citizen."""
    email: Email | None = None
    phone: Phone | None = None
    addresses: Annotated[tuple[Address, ...], Field(min_length=1, max_length=10)]
    """The present address comes first."""
    employment: Employment
    other_income: Annotated[tuple[OtherIncome, ...], Field(max_length=20)] = ()
    housing_payment_monthly: NonNegativeMoney = Decimal("0.00")
    dependents: Annotated[Count, Field(le=20)] = 0
    military_covered_borrower: Flag | None = None
    """Whether the Military Lending Act and its ceiling of 36 % apply; None when it was not checked.
    The policy then asks, and the price keeps to the ceiling."""

    @field_validator("ssn")
    @classmethod
    def _plausible_ssn(cls, value: str, info: ValidationInfo) -> str:
        ssn = normal_ssn(value)
        if ssn is None:
            raise PydanticCustomError("ssn_invalid", "is not a possible social security number")
        if is_itin(ssn) and info.data.get("residency") is Residency.CITIZEN:
            raise PydanticCustomError("ssn_invalid", "an ITIN is for people who are not citizens")
        return ssn

    @property
    def full_name(self) -> str:
        """First, middle and last name and suffix, joined by spaces."""
        parts = (self.first_name, self.middle_name, self.last_name, self.suffix)
        return " ".join(part.strip() for part in parts if part.strip())

    @property
    def stated_monthly_income(self) -> Money:
        """Stated income from all sources, gross, per month."""
        return sum(
            (income.monthly for income in self.other_income), self.employment.gross_monthly_stated
        )

    def street_address_on(self, day: date) -> Address | None:
        """The first present address with a street; None when the applicant has given none."""
        present = (
            address for address in self.addresses if address.until is None or address.until >= day
        )
        return next((address for address in present if address.is_street), None)

    def residence_on(self, day: date) -> Address:
        """Where the applicant lives: the present street address, or the first one without any."""
        return self.street_address_on(day) or self.addresses[0]

    def age_on(self, day: date) -> int:
        """Completed years of life."""
        had_birthday = (day.month, day.day) >= (self.dob.month, self.dob.day)
        return day.year - self.dob.year - (0 if had_birthday else 1)


class Consent(Contract):
    """When the applicant gave each consent; None where the applicant did not."""

    credit_pull_at: Moment | None = None
    e_sign_at: Moment | None = None
    privacy_notice_at: Moment | None = None


class Application(PersonalRecord):
    """One request for credit by one or two applicants."""

    schema_version: SchemaVersion = 1
    application_id: ChosenId
    received_at: Moment
    as_of_date: Day
    """The day for which the desk decides. Ages and expiry dates are measured on this day."""
    channel: Channel = Channel.WEB
    product: Product = Product.PERSONAL_LOAN
    purpose: Purpose = Purpose.OTHER
    amount_requested: Annotated[Money, Field(gt=0)]
    term_months: Annotated[Months, Field(ge=1)]
    state: StateCode | None = None
    """The state as the channel states it. The law of residence follows from the addresses."""
    applicants: Annotated[tuple[Applicant, ...], Field(min_length=1, max_length=2)]
    consent: Annotated[Consent | None, Field(validate_default=True)] = None
    collateral_value: Annotated[Money, Field(gt=0)] | None = None
    """The value of the collateral; only for secured products."""
    partner_id: ChosenId | None = None
    first_payment_on: Annotated[Day | None, Field(exclude_if=operator.not_)] = None
    """The due date of the first payment that the applicants choose; None for a month after the
    as-of date."""

    @property
    def primary(self) -> Applicant:
        """The primary applicant, who receives the letters."""
        return next(
            applicant for applicant in self.applicants if applicant.role is ApplicantRole.PRIMARY
        )

    @property
    def co_applicant(self) -> Applicant | None:
        """The second applicant of a joint application."""
        return next(
            (applicant for applicant in self.applicants if applicant.role is ApplicantRole.CO), None
        )

    @property
    def residence_state(self) -> str:
        """Where the primary applicant lives on the as-of date."""
        return self.primary.residence_on(self.as_of_date).state

    def day_of(self, moment: datetime) -> date:
        """The day of an instant where the primary applicant lives (see `data.zones`)."""
        return local_day(moment, self.primary.addresses[0].state)

    @field_validator("applicants")
    @classmethod
    def _possible_people(
        cls, applicants: tuple[Applicant, ...], info: ValidationInfo
    ) -> tuple[Applicant, ...]:
        if [applicant.role for applicant in applicants] != list(ApplicantRole)[: len(applicants)]:
            raise PydanticCustomError(
                "applicant_roles", "the first applicant is primary, the second is co"
            )
        if len({applicant.ssn for applicant in applicants}) != len(applicants):
            raise PydanticCustomError(
                "duplicate_applicant", "both applicants carry the same social security number"
            )
        names_and_dobs = {
            (applicant.full_name.casefold(), applicant.dob) for applicant in applicants
        }
        if len(names_and_dobs) != len(applicants):
            raise PydanticCustomError(
                "duplicate_applicant", "both applicants carry the same name and dob"
            )
        as_of = info.data.get("as_of_date")
        if as_of is not None:
            problems = [
                problem
                for place, applicant in enumerate(applicants)
                for problem in _impossible_dates(place, applicant, as_of)
            ]
            if problems:
                raise ValidationError.from_exception_data(cls.__name__, problems)
        return applicants

    @field_validator("consent")
    @classmethod
    def _consent_was_given(cls, consent: Consent | None) -> Consent | None:
        if consent is None or consent.credit_pull_at is None:
            raise PydanticCustomError(
                "consent_missing",
                "credit_pull_at is required before a bureau is asked",
            )
        return consent

    @model_validator(mode="after")
    def _judged_after_receipt(self) -> Self:
        if self.as_of_date < self.day_of(self.received_at):
            problem = _at(("as_of_date",), "as_of_before_receipt", "lies before received_at")
            raise ValidationError.from_exception_data(type(self).__name__, [problem])
        return self

    @model_validator(mode="after")
    def _first_payment_is_near(self) -> Self:
        first, (soonest, latest) = self.first_payment_on, _FIRST_PAYMENT
        if first is not None and not soonest <= first - self.as_of_date <= latest:
            problem = _at(
                ("first_payment_on",),
                "first_payment_range",
                "lies less than 10 or more than 62 days after as_of_date",
            )
            raise ValidationError.from_exception_data(type(self).__name__, [problem])
        return self

    @model_validator(mode="after")
    def _consent_came_in_time(self) -> Self:
        pulled = self.consent.credit_pull_at if self.consent else None
        if pulled is not None and self.day_of(pulled) > self.as_of_date:
            raise PydanticCustomError(
                "consent_missing", "consent.credit_pull_at lies after as_of_date"
            )
        return self


def _impossible_dates(place: int, applicant: Applicant, as_of: date) -> Iterator[InitErrorDetails]:
    """Dates that no applicant can have. An age below 18 is possible: the policy declines it."""
    if applicant.dob > as_of or applicant.age_on(as_of) > _OLDEST_AGE:
        yield _at((place, "dob"), "dob_impossible", "lies in the future or too long ago")
    start = applicant.employment.start_date
    if start is not None and not applicant.dob < start <= as_of:
        yield _at(
            (place, "employment", "start_date"),
            "employment_dates",
            "lies before dob or after as_of_date",
        )
    for nth, address in enumerate(applicant.addresses):
        if address.since is not None and address.since > as_of:
            yield _at((place, "addresses", nth, "since"), "address_dates", "lies after as_of_date")


def _at(
    where: tuple[str | int, ...], code: LiteralString, message: LiteralString
) -> InitErrorDetails:
    """A problem with a nested field, without the value of the field."""
    return InitErrorDetails(type=PydanticCustomError(code, message), loc=where, input=None)
