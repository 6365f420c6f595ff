"""Checks whether ZIP codes and states of the United States go together."""

from __future__ import annotations

from data.contracts.application import Address

_FIRST_DIGIT = {
    "0": "CT MA ME NH NJ NY RI VT",
    "1": "DE NY PA",
    "2": "DC MD NC SC VA WV",
    "3": "AL FL GA MS TN",
    "4": "IN KY MI OH",
    "5": "IA MN MT ND SD WI",
    "6": "IL KS MO NE",
    "7": "AR LA OK TX",
    "8": "AZ CO ID NM NV TX UT WY",
    "9": "AK CA HI OR WA",
}
"""The states for each first digit of a ZIP code. A few ZIP codes cross a state line."""

_RANGES = {
    "AA": "340-340",
    "AE": "090-098",
    "AP": "962-966",
    "AS": "96799-96799",
    "FM": "96941-96944",
    "GU": "96910-96932",
    "MH": "96960-96960 96970-96970",
    "MP": "96950-96952",
    "PR": "006-007 009-009",
    "PW": "96939-96940",
    "VI": "008-008",
}
"""The ZIP codes of territories, freely associated states and the armed forces abroad, from the
first to the last prefix."""


def postal_code_fits_state(address: Address) -> bool:
    """Whether the ZIP code can belong to the state: by its first digit, or within a range."""
    ranges = _RANGES.get(address.state)
    if ranges is None:
        return address.state in _FIRST_DIGIT[address.postal_code[0]].split()
    return any(
        first <= address.postal_code[: len(first)] <= last
        for first, _, last in (part.partition("-") for part in ranges.split())
    )
