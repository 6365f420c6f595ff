"""The day of an instant: the calendar day on which it fell where the applicant lives.

The rule for every comparison of an instant with a day: the day is read in the time zone of the
primary applicant's present address, by its state, and in UTC when the state has no zone here.
Two instants are compared as instants. How an instant is written makes no difference.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

_UTC = "UTC"

_STATES = {
    "America/Anchorage": "AK",
    "America/Boise": "ID",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO MT NM UT WY",
    "America/Detroit": "MI",
    "America/Indiana/Indianapolis": "IN",
    "America/Los_Angeles": "CA NV OR WA",
    "America/New_York": "CT DC DE FL GA KY MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Phoenix": "AZ",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Chuuk": "FM",
    "Pacific/Guam": "GU MP",
    "Pacific/Honolulu": "HI",
    "Pacific/Majuro": "MH",
    "Pacific/Pago_Pago": "AS",
    "Pacific/Palau": "PW",
}
"""The states and territories of each zone. A state with several zones has the one in which most of
its people live. The armed forces abroad (AA, AE, AP) have none."""

ZONE_OF_STATE = {state: zone for zone, states in _STATES.items() for state in states.split()}


def local_day(moment: datetime, state: str) -> date:
    """The calendar day of an instant in the zone of a state, or in UTC when it has no zone."""
    return moment.astimezone(_zone(ZONE_OF_STATE.get(state, _UTC))).date()


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
