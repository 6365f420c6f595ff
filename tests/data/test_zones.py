"""The day of an instant is the day where the applicant lives."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from data.zones import ZONE_OF_STATE, local_day
from tools.postal import _FIRST_DIGIT, _RANGES

INSTANT = datetime(2026, 11, 2, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "day"),
    [
        ("NY", date(2026, 11, 1)),
        ("CA", date(2026, 11, 1)),
        ("HI", date(2026, 11, 1)),
        ("GU", date(2026, 11, 2)),
        ("FM", date(2026, 11, 2)),
        ("AE", date(2026, 11, 2)),
    ],
)
def test_an_instant_falls_on_the_day_of_its_state(state: str, day: date) -> None:
    assert local_day(INSTANT, state) == day


def test_the_way_an_instant_is_written_makes_no_difference() -> None:
    written = INSTANT.astimezone(ZoneInfo("America/Los_Angeles"))

    assert all(local_day(written, state) == local_day(INSTANT, state) for state in ZONE_OF_STATE)


def test_every_state_has_a_zone_except_the_armed_forces_abroad() -> None:
    states = {*_RANGES, *" ".join(_FIRST_DIGIT.values()).split()}

    assert states - ZONE_OF_STATE.keys() == {"AA", "AE", "AP"}
