"""Signals of device, network and consortium services about an application."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from data.contracts.base import Contract
from data.contracts.personal import Personal, PersonalRecord
from data.contracts.quantities import Count


class PhoneType(StrEnum):
    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"


class SharedTrait(StrEnum):
    """A trait that several identities can share."""

    SSN = "ssn"
    DEVICE = "device"
    PHONE = "phone"
    ADDRESS = "address"
    EMAIL = "email"


class Seen(Contract):
    """How many applications had a trait within the last day, 7 days and 30 days."""

    days_1: Count = 0
    days_7: Count = 0
    days_30: Count = 0


class Velocity(Contract):
    ssn: Seen = Seen()
    device: Seen = Seen()
    phone: Seen = Seen()
    address: Seen = Seen()


class IdentityLink(Contract):
    """One trait that several identities share."""

    trait: SharedTrait
    identities: Count
    """How many different people, the applicant included."""


class FraudSignals(PersonalRecord):
    """Signals gathered when the application was received."""

    device_id: Annotated[str, Field(max_length=128), Personal("device")] | None = None
    ip_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    ip_distance_km: Count | None = None
    """Distance from the location of the IP address to the stated address."""
    email_age_days: Count | None = None
    phone_type: PhoneType | None = None
    velocity: Velocity = Velocity()
    identity_links: tuple[IdentityLink, ...] = ()
    consortium_hits: tuple[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], ...] = ()
    """Codes under which other lenders reported this identity."""
